// bsg_op as its users run it: the built program on files.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

#include "engine/core/error.hpp"
#include "engine/core/safetensors.hpp"
#include "engine/ops/batch_norm.hpp"
#include "engine/ops/conv2d.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/gradient_check.hpp"
#include "tests/support/program.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace bsg;
using test::random_tensor;
using test::run_program;

namespace {

std::string message_of(const test::ProgramResult& result) {
  // One line, with the program's name in front.
  REQUIRE(result.err.substr(0, 8) == "bsg_op: ");
  REQUIRE(result.err.find('\n') == result.err.size() - 1);
  return result.err.substr(8, result.err.size() - 9);
}

std::vector<std::string> listed_ops() {
  const auto result = run_program("bsg_op", {"--list"});
  REQUIRE(result.status == 0);
  std::vector<std::string> names;
  std::istringstream lines(result.out);
  for (std::string line; std::getline(lines, line);)
    if (!line.empty() && line[0] != ' ') names.push_back(line);
  return names;
}

// Runs bsg_op on tensors and gives what it wrote.
class BsgOp {
 public:
  explicit BsgOp(Context& context) : context_(context) {}

  SafetensorsFile operator()(const std::string& name, const NamedTensors& inputs,
                             std::vector<std::string> arguments = {}) const {
    write_safetensors(folder_ / "in", inputs);
    arguments.insert(arguments.begin(), {name, folder_ / "in", folder_ / "out"});
    const auto result = run_program("bsg_op", arguments);
    INFO(result.err);
    REQUIRE(result.status == 0);
    REQUIRE(result.err.empty());
    REQUIRE(result.out.empty());
    return read_safetensors(context_, folder_ / "out");
  }

  // The message of a call that ends with `status` and leaves no output.
  std::string failure(int status, const std::string& name, const NamedTensors& inputs,
                      std::vector<std::string> arguments = {}) const {
    std::filesystem::remove(folder_ / "out");
    write_safetensors(folder_ / "in", inputs);
    arguments.insert(arguments.begin(), {name, folder_ / "in", folder_ / "out"});
    const auto result = run_program("bsg_op", arguments);
    CHECK(result.status == status);
    CHECK_FALSE(std::filesystem::exists(folder_ / "out"));
    CHECK(std::distance(std::filesystem::directory_iterator(folder_.path()), {}) == 1);
    return message_of(result);
  }

  std::string path(const std::string& name) const { return folder_ / name; }

 private:
  Context& context_;
  test::TemporaryFolder folder_;
};

void require_same(const Tensor& got, const Tensor& want) {
  REQUIRE(got.shape() == want.shape());
  REQUIRE(got.dtype() == want.dtype());
  REQUIRE(std::equal(static_cast<const char*>(got.raw()), static_cast<const char*>(got.raw()) + got.bytes(),
                     static_cast<const char*>(want.raw())));
}

std::set<std::string> names_of(const SafetensorsFile& file) {
  std::set<std::string> names;
  for (const auto& [name, tensor] : file.tensors) names.insert(name);
  return names;
}

}  // namespace

TEST_CASE("bsg_op knows every op of the engine, in alphabetical order", "[bsg_op]") {
  std::vector<std::string> declared;
  for (const auto& entry : std::filesystem::directory_iterator("engine/ops")) {
    if (entry.path().extension() != ".hpp") continue;
    std::ostringstream text;
    text << std::ifstream(entry.path()).rdbuf();
    const std::string header = text.str();
    const std::regex declaration("\nVar (\\w+)\\(Context& context,");
    for (std::sregex_iterator match(header.begin(), header.end(), declaration), end; match != end; ++match)
      declared.push_back((*match)[1]);
  }
  std::ranges::sort(declared);
  CHECK(declared.size() > 15);
  CHECK(listed_ops() == declared);
}

TEST_CASE("every op of bsg_op writes y, and a gradient for each differentiable input", "[bsg_op]") {
  Context context;
  const BsgOp bsg_op(context);
  const Tensor x = random_tensor(context, {2, 3, 4, 4}, 1, DType::f32),
               w = random_tensor(context, {5, 3, 3, 3}, 2, DType::f32),
               rows = random_tensor(context, {2, 3}, 3, DType::f32), three = Tensor::full(context, {3}, 0.5),
               scalar = Tensor::full(context, {1}, 2);
  struct Example {
    std::string name;
    NamedTensors inputs;
    std::vector<std::string> attributes;
    Shape y;
    std::set<std::string> without_gradient = {};
  };
  const std::vector<Example> examples = {
      {"adaptive_average_pool2d", {{"x", x}}, {"out_height=3", "out_width=2"}, {2, 3, 3, 2}},
      {"add", {{"a", x}, {"b", x}}, {}, x.shape()},
      {"average_pool2d", {{"x", x}}, {"kernel=3", "stride=1", "padding=1", "count_include_pad=false"}, x.shape()},
      {"batch_norm",
       {{"x", x}, {"weight", three}, {"bias", three}, {"running_mean", three}, {"running_var", three}, {"residual", x}},
       {"training=false", "momentum=0.2", "epsilon=1e-3", "relu=true"},
       x.shape(),
       {"running_mean", "running_var"}},
      {"batch_shaping_loss", {{"probabilities", three.reshaped({3, 1})}}, {"a=2", "b=6"}, {1}},
      {"batch_shaping_loss_from_logits", {{"logits", rows}}, {"normalization=batch_sum_gate_mean"}, {1}},
      {"bilinear_resize", {{"x", x}}, {"height=7", "width=2", "align_corners=true"}, {2, 3, 7, 2}},
      {"binary_concrete_gate", {{"logits", rows}}, {"temperature=0.5", "noise=2"}, rows.shape()},
      {"cast", {{"x", x}}, {"dtype=f32"}, {2, 3, 4, 4}},
      {"concat", {{"x0", x}, {"x1", x}, {"x2", x}}, {}, {2, 9, 4, 4}},
      {"conv2d", {{"x", x}, {"weight", w}}, {"padding=2", "dilation=2"}, {2, 5, 4, 4}},
      {"dropout2d", {{"x", x}}, {"p=0.5", "training=true"}, x.shape()},
      {"gated_input_conv2d",
       {{"x", x}, {"gate", Tensor::full(context, {2, 3}, 1)}, {"weight", w}},
       {"stride=2"},
       {2, 5, 1, 1}},
      {"gated_output_conv2d", {{"x", x}, {"gate", Tensor::zeros(context, {2, 5})}, {"weight", w}}, {}, {2, 5, 2, 2}},
      {"global_average_pool", {{"x", x}}, {}, {2, 3}},
      {"l0_loss", {{"logits", rows}}, {}, {1}},
      {"linear", {{"x", rows}, {"weight", rows}}, {}, {2, 2}},
      {"max_pool2d", {{"x", x}}, {"kernel=2", "stride=1", "dilation=3"}, {2, 3, 1, 1}},
      {"mul_gate", {{"x", x}, {"gate", rows}}, {}, x.shape()},
      {"option_a_shortcut", {{"x", x}}, {"out_channels=5", "stride=2"}, {2, 5, 2, 2}},
      {"relu", {{"x", x}}, {}, x.shape()},
      {"sigmoid", {{"x", x}}, {}, x.shape()},
      {"softmax_cross_entropy",
       {{"logits", rows},
        {"labels", Tensor::full(context, {2}, 1, DType::i64)},
        {"class_weights", Tensor::full(context, {rows.shape()[1]}, 0.5)}},
       {"label_smoothing=0.1", "ignore_index=-1"},
       {1},
       {"labels", "class_weights"}},
      {"weighted_sum", {{"x0", scalar}, {"x1", scalar}}, {"weights=2,-0.5"}, {1}},
  };
  std::vector<std::string> covered;
  for (const Example& example : examples) {
    CAPTURE(example.name);
    covered.push_back(example.name);
    std::vector<std::string> arguments;
    for (const std::string& attribute : example.attributes) arguments.insert(arguments.end(), {"--attr", attribute});
    for (const DType dtype : {DType::f32, DType::f64}) {
      NamedTensors inputs;
      std::set<std::string> expected = {"y"};
      for (const auto& [name, tensor] : example.inputs) {
        inputs.emplace_back(name, tensor.dtype() == DType::f32 ? tensor.cast(context, dtype) : tensor);
        if (!example.without_gradient.contains(name)) expected.insert("grad_" + name);
      }
      const SafetensorsFile plain = bsg_op(example.name, inputs, arguments);
      CHECK(names_of(plain) == std::set<std::string>{"y"});
      CHECK(plain.find("y")->shape() == example.y);
      const DType result = example.name == "cast" ? DType::f32 : dtype;
      CHECK(plain.find("y")->dtype() == result);
      inputs.emplace_back("grad_output", random_tensor(context, example.y, 9, result));
      const SafetensorsFile with_gradients = bsg_op(example.name, inputs, arguments);
      CHECK(names_of(with_gradients) == expected);
      require_same(*with_gradients.find("y"), *plain.find("y"));
      for (const auto& [name, tensor] : with_gradients.tensors)
        if (name != "y") {
          CHECK(tensor.dtype() == dtype);
          CHECK(std::ranges::find_if(inputs, [&](const auto& in) {
                  return "grad_" + in.first == name && in.second.shape() == tensor.shape();
                }) != inputs.end());
        }
    }
  }
  CHECK(covered == listed_ops());
}

TEST_CASE("bsg_op writes what the op computes, whatever the thread count", "[bsg_op]") {
  Context context({.threads = 2});
  const BsgOp bsg_op(context);
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Tensor x = random_tensor(context, {3, 4, 9, 9}, 1, dtype), w = random_tensor(context, {5, 4, 3, 3}, 2, dtype),
                 b = random_tensor(context, {5}, 3, dtype), dy = random_tensor(context, {3, 5, 5, 5}, 4, dtype);
    Tape tape(context);
    const Var vx = tape.input(x), vw = tape.input(w), vb = tape.input(b);
    const Var y = ops::conv2d(context, vx, vw, vb, {2, 1, 1});
    tape.backward(y, dy);
    for (const char* threads : {"1", "3"}) {
      const SafetensorsFile out =
          bsg_op("conv2d", {{"weight", w}, {"grad_output", dy}, {"bias", b}, {"x", x}},
                 {"--attr", "stride=2", "--threads", threads, "--attr", "padding=1", "--device", "cpu"});
      require_same(*out.find("y"), y.value);
      require_same(*out.find("grad_x"), tape.gradient(vx));
      require_same(*out.find("grad_weight"), tape.gradient(vw));
      require_same(*out.find("grad_bias"), tape.gradient(vb));
    }
  }
}

TEST_CASE("bsg_op on the emulated device takes and gives tensors in the CPU's order", "[bsg_op]") {
  Context context;
  const BsgOp bsg_op(context);
  const Tensor x = random_tensor(context, {2, 3, 5, 4}, 1, DType::f32),
               w = random_tensor(context, {6, 3, 3, 3}, 2, DType::f32),
               dy = random_tensor(context, {2, 6, 5, 4}, 3, DType::f32);
  const NamedTensors inputs = {{"x", x}, {"weight", w}, {"grad_output", dy}};
  const SafetensorsFile expected = bsg_op("conv2d", inputs, {"--attr", "padding=1", "--device", "cpu"}),
                        got = bsg_op("conv2d", inputs, {"--attr", "padding=1", "--device", "simt"});
  CHECK(names_of(got) == names_of(expected));
  for (const auto& [name, tensor] : expected.tensors) {
    const auto values = got.find(name)->span<float>(), wanted = tensor.span<float>();
    REQUIRE(got.find(name)->shape() == tensor.shape());
    for (std::size_t i = 0; i < wanted.size(); ++i) REQUIRE(values[i] == Approx(wanted[i]).margin(1e-4));
  }
  const Tensor wide = random_tensor(context, {2, 3}, 1, DType::f64);
  CHECK(bsg_op.failure(2, "relu", {{"x", wide}}, {"--device", "simt"}) ==
        "relu: f64 values, device simt computes f32 and bf16");
  CHECK(bsg_op.failure(2, "conv2d", {{"x", x}, {"weight", dy}}, {"--device", "simt"}) ==
        bsg_op.failure(2, "conv2d", {{"x", x}, {"weight", dy}}, {"--device", "cpu"}));
}

TEST_CASE("bsg_op batch_norm writes running statistics when training moves them", "[bsg_op]") {
  Context context;
  const BsgOp bsg_op(context);
  const Tensor x = random_tensor(context, {4, 2, 3, 3}, 1, DType::f32), one = Tensor::full(context, {2}, 1),
               zero = Tensor::zeros(context, {2});
  Tensor mean = zero.clone(context), variance = one.clone(context);
  const Tensor y = ops::batch_norm(context, x, one, zero, mean, variance, {.momentum = 0.5}).value;
  const SafetensorsFile out =
      bsg_op("batch_norm", {{"x", x}, {"weight", one}, {"bias", zero}, {"running_mean", zero}, {"running_var", one}},
             {"--attr", "momentum=0.5"});
  CHECK(names_of(out) == std::set<std::string>{"y", "running_mean", "running_var"});
  require_same(*out.find("y"), y);
  require_same(*out.find("running_mean"), mean);
  require_same(*out.find("running_var"), variance);
}

TEST_CASE("bsg_op draws from its seed alone", "[bsg_op]") {
  Context context;
  const BsgOp bsg_op(context);
  const NamedTensors inputs = {{"logits", random_tensor(context, {40, 20}, 1, DType::f32)}};
  const Tensor first = *bsg_op("binary_concrete_gate", inputs, {"--seed", "7", "--threads", "1"}).find("y");
  require_same(*bsg_op("binary_concrete_gate", inputs, {"--seed", "7", "--threads", "2"}).find("y"), first);
  const Tensor other = *bsg_op("binary_concrete_gate", inputs, {"--seed", "8"}).find("y");
  CHECK_FALSE(std::ranges::equal(first.span<float>(), other.span<float>()));
}

TEST_CASE("bsg_op says in one line what does not fit, and writes nothing", "[bsg_op]") {
  Context context;
  const BsgOp bsg_op(context);
  const Tensor x = Tensor::zeros(context, {1, 3, 8, 8}), w = Tensor::zeros(context, {4, 3, 3, 3});
  const NamedTensors conv = {{"x", x}, {"weight", w}};
  using Catch::Contains;
  using Catch::Equals;

  CHECK_THAT(bsg_op.failure(2, "conv", conv), Contains("unknown op 'conv'") && Contains("gated_output_conv2d"));
  // Tensors.
  CHECK_THAT(
      bsg_op.failure(2, "conv2d", {{"x", x}}),
      Equals(bsg_op.path("in") + ": no tensor 'weight'; conv2d takes x, weight, bias (optional), and grad_output "
                                 "(optional)"));
  CHECK_THAT(bsg_op.failure(2, "conv2d", {{"x", x}, {"weight", w}, {"gate", x}}),
             Contains("unknown tensor 'gate'; conv2d takes x, weight, bias (optional)"));
  CHECK_THAT(bsg_op.failure(2, "concat", {{"x", x}}), Contains("no tensor 'x0'; concat takes x0, x1, ..."));
  CHECK_THAT(bsg_op.failure(2, "concat", {{"x0", x}, {"x2", x}}), Contains("unknown tensor 'x2'"));
  CHECK_THAT(bsg_op.failure(2, "relu", {{"x", x}, {"grad_output", w}}), Contains("[4, 3, 3, 3]"));
  CHECK_THAT(bsg_op.failure(2, "relu", {{"x", x.cast(context, DType::i64)}}),
             Equals("relu: i64 values, f32, f64 or bf16 are needed"));
  // Attributes.
  const auto attribute = [&](const std::string& word) { return bsg_op.failure(2, "conv2d", conv, {"--attr", word}); };
  CHECK_THAT(attribute("strid=2"), Equals("conv2d: unknown attribute 'strid'; it takes stride, padding, dilation"));
  CHECK_THAT(attribute("stride"), Equals("conv2d: attribute 'stride' is not of the form key=value"));
  for (const char* value : {"", "two", "2.0", "2 ", "0x2", "3000000000", "1,2"})
    CHECK_THAT(attribute(std::string("stride=") + value),
               Equals(std::string("conv2d: attribute stride='") + value + "', expected int"));
  CHECK_THAT(bsg_op.failure(2, "conv2d", conv, {"--attr", "stride=1", "--attr", "stride=1"}),
             Contains("stride is given twice"));
  CHECK_THAT(bsg_op.failure(2, "relu", {{"x", x}}, {"--attr", "a=1"}), Contains("it takes no attributes"));
  CHECK_THAT(bsg_op.failure(2, "bilinear_resize", {{"x", x}}, {"--attr", "height=3"}),
             Equals("bilinear_resize: attribute width=<int64> is missing"));
  CHECK_THAT(bsg_op.failure(2, "bilinear_resize", {{"x", x}}, {"--attr", "align_corners=yes"}), Contains("true|false"));
  CHECK_THAT(bsg_op.failure(2, "batch_shaping_loss", {{"probabilities", x}}, {"--attr", "normalization=mean"}),
             Contains("batch_mean_gate_sum|"));
  CHECK_THAT(bsg_op.failure(2, "weighted_sum", {{"x0", x}}, {"--attr", "weights=1,"}), Contains("number,number"));
  // The op's own message.
  std::string own;
  try {
    ops::conv2d(context, x, w, Var(), {.stride = 0});
  } catch (const ShapeError& error) {
    own = error.what();
  }
  CHECK_THAT(attribute("stride=0"), Equals(own));
  // The command line.
  for (const std::vector<std::string>& bad : {std::vector<std::string>{"--threads", "0"},
                                              {"--threads", "many"},
                                              {"--seed", "-1"},
                                              {"--device", "gpu"},
                                              {"--device", "cuda"},
                                              {"--fast"},
                                              {"extra"}})
    CHECK_FALSE(bsg_op.failure(2, "relu", {{"x", x}}, bad).empty());
  CHECK(message_of(run_program("bsg_op", {"relu"})) == "NAME, IN and OUT are needed (see --help)");
  CHECK(run_program("bsg_op", {}).status == 2);
  const auto help = run_program("bsg_op", {"--help"});
  CHECK(help.status == 0);
  CHECK_THAT(help.out, Contains("--attr"));
}

TEST_CASE("bsg_op and files: a broken input, an output that cannot be written, one that is replaced", "[bsg_op]") {
  Context context;
  const test::TemporaryFolder folder;
  const std::string in = folder / "in", out = folder / "out";
  CHECK_THAT(message_of(run_program("bsg_op", {"relu", in, out})), Catch::Contains(in));
  CHECK(run_program("bsg_op", {"relu", in, out}).status == 2);
  std::ofstream(in) << "no safetensors file";
  CHECK_THAT(message_of(run_program("bsg_op", {"relu", in, out})), Catch::Contains(in));
  CHECK(run_program("bsg_op", {"relu", in, out}).status == 2);

  write_safetensors(in, {{"x", Tensor::full(context, {2}, -1)}});
  const auto nowhere = run_program("bsg_op", {"relu", in, folder / "none" + "/out"});
  CHECK(nowhere.status == 1);
  CHECK_THAT(message_of(nowhere), Catch::Contains("No such file"));
  // A failure leaves the old output; success replaces it, also when it is the input.
  write_safetensors(out, {{"old", Tensor::zeros(context, {1})}});
  CHECK(run_program("bsg_op", {"add", in, out}).status == 2);
  CHECK(read_safetensors(context, out).find("old") != nullptr);
  CHECK(run_program("bsg_op", {"relu", in, in}).status == 0);
  CHECK(read_safetensors(context, in).find("y")->data<float>()[1] == 0);
}

TEST_CASE("bsg_op --dtype bf16 rounds activations, not parameters", "[bsg_op]") {
  Context context;
  const BsgOp bsg_op(context);
  const auto ones = [&](const Shape& shape, double value) { return Tensor::full(context, shape, value); };
  const NamedTensors inputs = {{"x", ones({1, 1, 2, 2}, 1 + 0x1p-12)},
                               {"weight", ones({1, 1, 1, 1}, 3)},
                               {"bias", ones({1}, 0.25)},
                               {"grad_output", ones({1, 1, 2, 2}, 1 + 0x1p-12)}};
  const SafetensorsFile out = bsg_op("conv2d", inputs, {"--device", "simt", "--dtype", "bf16"});
  CHECK(out.find("y")->values<float>() == std::vector<float>(4, 3.25F));
  CHECK(out.find("grad_x")->values<float>() == std::vector<float>(4, 3));
  CHECK(out.find("grad_bias")->values<float>() == std::vector<float>{4});
  CHECK(bsg_op.failure(2, "conv2d", inputs, {"--device", "cpu", "--dtype", "bf16"}) ==
        "conv2d: bf16 values, device cpu computes f32 and f64");
}
