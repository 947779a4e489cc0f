// Ops on bf16 activations on the emulated device, against the same ops in f32 on the same values.
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "engine/core/error.hpp"
#include "engine/ops/add.hpp"
#include "engine/ops/average_pool2d.hpp"
#include "engine/ops/batch_norm.hpp"
#include "engine/ops/bilinear_resize.hpp"
#include "engine/ops/cast.hpp"
#include "engine/ops/concat.hpp"
#include "engine/ops/gated_conv2d.hpp"
#include "engine/ops/global_average_pool.hpp"
#include "engine/ops/max_pool2d.hpp"
#include "engine/ops/mul_gate.hpp"
#include "engine/ops/option_a_shortcut.hpp"
#include "engine/ops/relu.hpp"
#include "kernels/simt/number.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;

namespace {

enum class Kind { activation, parameter, gate };

struct Operand {
  Shape shape;
  Kind kind = Kind::activation;
};

struct Example {
  std::string name;
  std::vector<Operand> operands;
  std::function<Var(Context&, const std::vector<Var>&)> op;
};

float rounded(float value) { return simt::to_float(simt::to_bfloat16(value)); }

// Values that bf16 holds exactly: nothing but the op's own rounding tells the two runs apart.
Tensor values_for(Context& host, const Operand& operand, std::uint64_t stream) {
  Generator random(11, stream);
  Tensor tensor = Tensor::empty(host, operand.shape);
  for (float& value : tensor.span<float>())
    value = operand.kind == Kind::gate ? (random.uniform() < 0.5 ? 1.0F : 0.0F)
                                       : rounded(static_cast<float>(random.normal()));
  return tensor;
}

Tensor on_device(Context& context, const Tensor& tensor, DType dtype) {
  const Tensor there = tensor.to(context);
  return dtype == DType::f32 ? there : there.cast(context, dtype);
}

std::vector<float> numbers(Context& context, const Tensor& tensor) {
  return (tensor.dtype() == DType::bf16 ? tensor.cast(context, DType::f32) : tensor).values<float>();
}

// The result, then the gradient of each operand that the op differentiates.
std::vector<Tensor> run(Context& context, const Example& example, DType activations) {
  Context host;
  Tape tape(context);
  std::vector<Var> operands;
  for (std::size_t i = 0; i < example.operands.size(); ++i) {
    const Operand& operand = example.operands[i];
    const DType type = operand.kind == Kind::activation ? activations : DType::f32;
    operands.push_back(tape.input(on_device(context, values_for(host, operand, i), type)));
  }
  const Var y = example.op(context, operands);
  tape.backward(y, on_device(context, values_for(host, {y.shape()}, 99), y.dtype()));
  std::vector<Tensor> results = {y.value};
  for (const Var& operand : operands) results.push_back(tape.gradient(operand));
  return results;
}

// bf16 results are rounded once, to 8 bits: half a unit is at most 2^-8 of the value. Sums are float in both runs, in
// other orders perhaps: a few units of float in the largest value. `inner`: what a sum adds was rounded before, to
// bf16; relative to the largest result.
void check_close(Context& context, const Tensor& got, const Tensor& expected, double inner) {
  REQUIRE(got.shape() == expected.shape());
  const std::vector<float> a = numbers(context, got), b = numbers(context, expected);
  double largest = 0;
  for (const float value : b) largest = std::max<double>(largest, std::abs(value));
  REQUIRE(largest > 0);
  const double relative = got.dtype() == DType::bf16 ? 0x1p-8 : 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    INFO(i << ": " << a[i] << " where f32 gives " << b[i]);
    REQUIRE(std::abs(static_cast<double>(a[i]) - b[i]) <= relative * std::abs(b[i]) + (4e-6 + inner) * largest);
  }
}

Example batch_norm_example(std::string name, bool training, bool relu, bool residual) {
  std::vector<Operand> operands = {{{3, 10, 5, 4}}, {{10}, Kind::parameter}, {{10}, Kind::parameter}};
  if (residual) operands.push_back({{3, 10, 5, 4}});
  return {std::move(name), std::move(operands), [=](Context& c, const std::vector<Var>& in) {
            Tensor mean = Tensor::full(c, {10}, 0.25), var = Tensor::full(c, {10}, 1.5);
            return ops::batch_norm(c, in[0], in[1], in[2], mean, var, {.training = training, .relu = relu},
                                   residual ? in[3] : Var());
          }};
}

std::vector<Example> examples() {
  const ops::Conv2dOptions same{.padding = 1}, strided{.stride = 2, .padding = 1};
  return {
      {"relu", {{{2, 3, 5, 7}}}, [](Context& c, const auto& in) { return ops::relu(c, in[0]); }},
      {"add", {{{2, 3, 5, 7}}, {{2, 3, 5, 7}}}, [](Context& c, const auto& in) { return ops::add(c, in[0], in[1]); }},
      {"mul_gate",
       {{{2, 9, 5, 3}}, {{2, 9}, Kind::gate}},
       [](Context& c, const auto& in) { return ops::mul_gate(c, in[0], in[1]); }},
      {"global_average_pool",
       {{{2, 9, 5, 3}}},
       [](Context& c, const auto& in) { return ops::global_average_pool(c, in[0]); }},
      {"max_pool2d",
       {{{2, 8, 7, 6}}},
       [](Context& c, const auto& in) { return ops::max_pool2d(c, in[0], {.kernel = 3, .stride = 2, .padding = 1}); }},
      {"average_pool2d",
       {{{2, 8, 7, 6}}},
       [](Context& c, const auto& in) {
         return ops::average_pool2d(c, in[0], {.kernel = 2, .stride = 2, .padding = 0}, true);
       }},
      {"option_a_shortcut",
       {{{2, 5, 6, 7}}},
       [](Context& c, const auto& in) { return ops::option_a_shortcut(c, in[0], 12, 2); }},
      {"concat",
       {{{2, 3, 4, 5}}, {{2, 6, 4, 5}}},
       [](Context& c, const auto& in) {
         return ops::concat(c, {in[0], in[1]});
       }},
      {"bilinear_resize",
       {{{2, 3, 4, 5}}},
       [](Context& c, const auto& in) { return ops::bilinear_resize(c, in[0], {.height = 7, .width = 9}); }},
      {"conv2d",
       {{{2, 5, 7, 6}}, {{9, 5, 3, 3}, Kind::parameter}, {{9}, Kind::parameter}},
       [=](Context& c, const auto& in) { return ops::conv2d(c, in[0], in[1], in[2], strided); }},
      {"conv2d 16 to 32",
       {{{2, 16, 8, 8}}, {{32, 16, 3, 3}, Kind::parameter}},
       [=](Context& c, const auto& in) { return ops::conv2d(c, in[0], in[1], Var(), same); }},
      {"gated_output_conv2d",
       {{{2, 8, 7, 6}}, {{16, 8, 3, 3}, Kind::parameter}, {{2, 16}, Kind::gate}},
       [=](Context& c, const auto& in) { return ops::gated_output_conv2d(c, in[0], in[1], in[2], same); }},
      {"gated_input_conv2d",
       {{{2, 16, 7, 6}}, {{2, 16}, Kind::gate}, {{8, 16, 3, 3}, Kind::parameter}},
       [=](Context& c, const auto& in) { return ops::gated_input_conv2d(c, in[0], in[1], in[2], strided); }},
      batch_norm_example("batch_norm", true, false, false),
      batch_norm_example("batch_norm relu", true, true, false),
      batch_norm_example("batch_norm relu residual", true, true, true),
      batch_norm_example("batch_norm inference", false, true, true),
  };
}

}  // namespace

TEST_CASE("ops on bf16 give what they give in f32, rounded once", "[bf16]") {
  Context context({.device = Device::simt});
  for (const Example& example : examples()) {
    INFO(example.name);
    const std::vector<Tensor> got = run(context, example, DType::bf16), expected = run(context, example, DType::f32);
    for (std::size_t i = 0; i < got.size(); ++i) {
      INFO((i == 0 ? "result" : "gradient ") << i);
      // Activations and their gradients are bf16, everything else stays f32.
      const bool activation =
          i == 0 ? example.name != "global_average_pool" : example.operands[i - 1].kind == Kind::activation;
      REQUIRE(got[i].dtype() == (activation ? DType::bf16 : DType::f32));
      // A gate's gradient is a sum of products with a convolution's result, or with its gradient, as bf16 stores them.
      const bool gate = i > 0 && example.operands[i - 1].kind == Kind::gate;
      check_close(context, got[i], expected[i], gate ? 0x1p-8 : 0);
    }
  }
}

TEST_CASE("cast rounds to nearest even and hands its gradient back in the type of its operand", "[bf16]") {
  Context host, context({.device = Device::simt});
  Tape tape(context);
  const std::vector<float> values = {1, 1 + 0x1p-8F, 1 + 3 * 0x1p-8F, -0.1F, 0, 3e38F};
  const Var x = tape.input(Tensor::from(host, {6}, values).to(context));
  const Var y = ops::cast(context, x, DType::bf16);
  CHECK(y.dtype() == DType::bf16);
  CHECK(numbers(context, y.value) == std::vector<float>{1, 1, 1 + 0x1p-6F, rounded(-0.1F), 0, rounded(3e38F)});
  // On the host the bits are the same.
  CHECK(y.value.to(host).cast(host, DType::f32).values<float>() == numbers(context, y.value));
  tape.backward(y, on_device(context, Tensor::full(host, {6}, 0.1), DType::bf16));
  CHECK(tape.gradient(x).dtype() == DType::f32);
  CHECK(tape.gradient(x).values<float>() == std::vector<float>(6, rounded(0.1F)));
  CHECK(ops::cast(context, x, DType::f32).slot == x.slot);
  CHECK_THROWS_WITH(ops::cast(context, x, DType::f64), "cast: f64 values, device simt computes f32 and bf16");
}

TEST_CASE("two gradients of one bf16 tensor are added", "[bf16]") {
  Context context({.device = Device::simt});
  Tape tape(context);
  const Var x = tape.input(Tensor::full(context, {2, 3}, 2, DType::bf16));
  const Var y = ops::add(context, ops::relu(context, x), ops::relu(context, x));
  tape.backward(y, Tensor::full(context, {2, 3}, 0.5, DType::bf16));
  CHECK(numbers(context, tape.gradient(x)) == std::vector<float>(6, 1));
}

TEST_CASE("a NaN behind a closed gate reaches neither a bf16 result nor another gradient", "[bf16]") {
  Context host, context({.device = Device::simt});
  const float nan = std::numeric_limits<float>::quiet_NaN();
  Tensor x = values_for(host, {{1, 3, 4, 4}}, 0);
  std::fill_n(x.data<float>() + 16, 16, nan);
  const Tensor weight = values_for(host, {{2, 3, 3, 3}}, 1);
  const Tensor gate = Tensor::from<float>(host, {1, 3}, {1, 0, 1});
  Tape tape(context);
  const Var in = tape.input(on_device(context, x, DType::bf16)), w = tape.input(weight.to(context));
  const Var y = ops::gated_input_conv2d(context, in, Var(gate.to(context)), w, {.padding = 1});
  tape.backward(y, Tensor::full(context, y.shape(), 1, DType::bf16));
  for (const Tensor& tensor : {y.value, tape.gradient(in), tape.gradient(w)})
    for (const float value : numbers(context, tensor)) REQUIRE_FALSE(std::isnan(value));
}

TEST_CASE("the CPU refuses bf16, and a device parameters of another type", "[bf16]") {
  Context host, context({.device = Device::simt});
  const Tensor x = Tensor::full(host, {1, 2, 3, 3}, 1, DType::bf16), weight = Tensor::full(host, {4, 2, 1, 1}, 1);
  CHECK_THROWS_WITH(ops::relu(host, Var(x)), "relu: bf16 values, device cpu computes f32 and f64");
  CHECK_THROWS_WITH(ops::conv2d(host, Var(x), Var(weight), Var(), {}),
                    "conv2d: bf16 values, device cpu computes f32 and f64");
  CHECK_THROWS_WITH(
      ops::conv2d(context, Var(x.to(context)), Var(weight.cast(host, DType::bf16).to(context)), Var(), {}),
      Catch::StartsWith("conv2d: x and weight must both be f32, both f64, or bf16 and f32"));
  CHECK_THROWS_AS(ops::mul_gate(context, Var(x.to(context)), Var(Tensor::full(context, {1, 2}, 1, DType::bf16))),
                  ShapeError);
}
