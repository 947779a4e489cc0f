#include "models/resnet_cifar.hpp"

#include <cmath>
#include <set>

#include "engine/core/error.hpp"
#include "engine/ops/sigmoid.hpp"
#include "engine/ops/softmax_cross_entropy.hpp"
#include "engine/ops/weighted_sum.hpp"
#include "models/registry.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/gradient_check.hpp"

using namespace bsg;

TEST_CASE("MACs of the CIFAR ResNets are the published ones, gating modules counted apart", "[models]") {
  Context context;
  const auto macs = [&](const std::string& arch) { return models::make_network(context, {.arch = arch}, 1)->macs(); };
  // Stem 442,368; stages of 14,155,776, 12,976,128 and 12,976,128; classifier 640.
  CHECK(macs("resnet20").dense == 40'551'040);
  CHECK(macs("resnet32").dense == 68'862'592);
  CHECK(macs("resnet20").needed({}) == macs("resnet20").dense);
  const nn::MacModel gated = macs("resnet20_bas");
  CHECK(gated.dense == 40'551'040);
  CHECK(gated.gates() == 336);
  std::int64_t fc = 0;
  for (const auto& [in, out] :
       {std::pair{16, 16}, {16, 16}, {16, 16}, {16, 32}, {32, 32}, {32, 32}, {32, 64}, {64, 64}, {64, 64}})
    fc += 16 * (in + out);
  CHECK(gated.gating == fc);
  std::vector<std::int64_t> all;
  for (const nn::GatedLayer& layer : gated.layers) all.push_back(layer.gates);
  CHECK(gated.needed(all) == gated.dense + gated.gating);
  CHECK(gated.needed(std::vector<std::int64_t>(9, 0)) == 442'368 + 640 + fc);
  REQUIRE_THROWS_AS(gated.needed({1}), ShapeError);
}

TEST_CASE("parameters carry the names of public checkpoints, and gating ones are marked", "[models]") {
  Context context;
  const auto network = models::make_network(context, {.arch = "resnet20_bas"}, 1);
  std::set<std::string> names;
  for (const auto& [name, tensor] : network->state()) names.insert(name);
  for (const char* name :
       {"conv1.weight", "bn1.running_var", "layer1.0.conv1.weight", "layer2.0.bn2.bias", "layer3.2.gate.fc1.weight",
        "layer1.0.gate.bn.running_mean", "layer1.0.gate.fc2.bias", "linear.weight", "linear.bias"})
    CHECK(names.count(name) == 1);
  CHECK(names.count("layer1.0.gate.fc1.bias") == 0);
  int gating = 0;
  for (const Parameter* parameter : network->parameters()) {
    CHECK(parameter->gating == (parameter->name.find(".gate.") != std::string::npos));
    gating += parameter->gating;
  }
  CHECK(gating == 9 * 5);
  CHECK(models::make_network(context, {.arch = "resnet20"}, 1)->state().size() == 97);
  REQUIRE_THROWS_WITH(models::make_network(context, {.arch = "resnet21"}, 1),
                      Catch::Contains("resnet21") && Catch::Contains("resnet20_bas"));
}

TEST_CASE("the gradient of a whole BAS block agrees with central differences", "[models]") {
  Context context({.threads = 2});
  Generator random(4);
  models::GateConfig config;
  config.noise = 0;
  struct Block : nn::Module {
    models::BasicBlock& block;
    Block(Context& c, Generator& r, const models::GateConfig& gate)
        : block(add_module("block",
                           std::make_unique<models::BasicBlock>(c, r, 3, 6, 2, models::Shortcut::option_a, &gate))) {}
  } net(context, random, config);
  net.convert(context, DType::f64);
  const Tensor x = test::random_tensor(context, {4, 3, 6, 6}, 1);
  // Through the task path the gate is a constant almost everywhere, and its straight-through gradient is no difference
  // quotient: the tape is asked for the weight of conv2 alone, which no gate depends on.
  const auto forward = [&](const Tensor& weight, Tape* tape, Var* tracked) {
    net.block.conv2.weight.value.copy_from(weight);
    const nn::Pass pass{context, tape, true};
    std::vector<nn::GateTrace> traces;
    const Var y = net.block.forward(pass, x, traces);
    REQUIRE(traces.size() == 1);
    if (tracked != nullptr) *tracked = y;
    return y.value;
  };
  const Tensor weight = net.block.conv2.weight.value.clone(context);
  Tape tape(context);
  Var y;
  forward(weight, &tape, &y);
  const Tensor weights = test::random_tensor(context, y.shape(), 2);
  tape.backward(y, weights);
  const Tensor gradient = net.block.conv2.weight.grad;
  const auto product = [&](const Tensor& out) {
    double sum = 0;
    for (std::int64_t i = 0; i < out.numel(); ++i) sum += out.data<double>()[i] * weights.data<double>()[i];
    return sum;
  };
  for (std::int64_t i = 0; i < weight.numel(); i += 7) {
    double value[2];
    for (const int side : {0, 1}) {
      Tensor moved = weight.clone(context);
      moved.data<double>()[i] += side == 0 ? -1e-6 : 1e-6;
      value[side] = product(forward(moved, nullptr, nullptr));
    }
    REQUIRE(gradient.data<double>()[i] == Approx((value[1] - value[0]) / 2e-6).margin(1e-5));
  }
}

TEST_CASE("a gated ResNet-20 lowers its loss on one batch, with the same bits for 1 and 2 threads", "[models]") {
  std::vector<double> losses[2];
  for (const int threads : {1, 2}) {
    Context context({.threads = threads, .seed = 9});
    const auto network = models::make_network(context, {.arch = "resnet20_bas"}, 3);
    const Tensor images = test::random_tensor(context, {8, 3, 32, 32}, 1, DType::f32);
    const Tensor labels = Tensor::from<std::int64_t>(context, {8}, std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7});
    for (int step = 0; step < 8; ++step) {
      Tape tape(context);
      std::vector<nn::GateTrace> traces;
      const Var logits = network->forward({context, &tape, true}, images, traces);
      const Var loss = ops::weighted_sum(
          context, {ops::softmax_cross_entropy(context, logits, labels), ops::l0_loss(context, traces[0].logits)},
          {1, 0.1});
      losses[threads - 1].push_back(loss.value.data<float>()[0]);
      tape.backward(loss);
      for (Parameter* parameter : network->parameters()) {
        INFO(parameter->name);
        REQUIRE(parameter->grad.defined());
        for (std::int64_t i = 0; i < parameter->value.numel(); ++i)
          parameter->value.data<float>()[i] -= 0.05f * parameter->grad.data<float>()[i];
        parameter->value.bump_version();
        parameter->grad = {};
      }
    }
  }
  CHECK(losses[0] == losses[1]);
  CHECK(losses[0].back() < 0.8 * losses[0].front());
}
