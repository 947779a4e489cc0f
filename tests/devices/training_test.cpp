// The engine on the emulated device: whole training steps of a gated network follow the CPU's.
#include "engine/nn/network.hpp"
#include "models/registry.hpp"
#include "tests/devices/device.hpp"
#include "tests/devices/trajectory.hpp"
#include "tests/emulated/orders.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;

TEST_CASE("three training steps of ResNet-20-BAS on the emulator follow the CPU's") {
  const test::LateWork late;
  const test::Trajectory expected = test::train_on(Device::cpu, "resnet20_bas");
  test::check_follows(test::train_on(Device::simt, "resnet20_bas"), expected);
}

TEST_CASE("three training steps of ResNet-20 have the same bits in every order of threads") {
  const test::Trajectory expected = test::train_on(Device::cpu, "resnet20");
  test::Trajectory first;
  test::for_each_order([&](std::string_view order) {
    INFO(order);
    const test::Trajectory got = test::train_on(Device::simt, "resnet20");
    if (first.state.empty()) {
      test::check_follows(got, expected);
      first = got;
    }
    CHECK(got.state == first.state);
  });
}

// A rounding to bf16 is off by up to 2^-8, in the mean by 2^-9 / sqrt(3) of a value, and some 40 lie in a row: 0.7 % of
// the logits. tf32 rounds the factors of products alone, to an eighth of that. Later steps amplify whatever difference
// there is, batch norm over 4 samples first of all, so both may go a tenth of the way elsewhere.
TEST_CASE("three training steps of ResNet-20 in bf16 and tf32 stay near those in f32") {
  const test::Trajectory expected = test::train_on(Device::simt, "resnet20");
  test::check_near(test::train_on(Device::simt, "resnet20", Precision::bf16), expected,
                   {.first_logits = 0.014, .losses = 0.1, .moves = 0.12, .first_gates = 0});
  test::check_near(test::train_on(Device::simt, "resnet20", Precision::tf32), expected,
                   {.first_logits = 0.002, .losses = 0.1, .moves = 0.12, .first_gates = 0});
}

// A gate near its threshold falls to the other side, and a whole channel with it: pooled values differ little between
// random images, which the gate's batch norm makes large, and its errors too.
TEST_CASE("three training steps of ResNet-20-BAS in bf16 and tf32 stay near those in f32") {
  const test::Trajectory expected = test::train_on(Device::simt, "resnet20_bas");
  test::check_near(test::train_on(Device::simt, "resnet20_bas", Precision::bf16), expected,
                   {.first_logits = 0.25, .losses = 0.05, .moves = 0.4, .first_gates = 0.06});
  test::check_near(test::train_on(Device::simt, "resnet20_bas", Precision::tf32), expected,
                   {.first_logits = 0.1, .losses = 0.05, .moves = 0.4, .first_gates = 0.02});
}

TEST_CASE("every network computes on bf16 activations where its context does") {
  Context host, context({.device = Device::simt, .precision = Precision::bf16});
  for (const std::string arch : {"resnet20", "resnet34_bas"}) {
    const auto network = models::make_network(host, {.arch = arch, .classes = 3, .height = 32, .width = 32}, 5);
    network->move(context);
    const nn::Pass pass{.context = context};
    std::vector<nn::GateTrace> traces;
    const Tensor images = Tensor::full(context, {1, 3, 32, 32}, 1 + 0x1p-10),
                 rounded = Tensor::full(context, {1, 3, 32, 32}, 1);
    // Rounded at once: a difference below bf16's digits is gone.
    CHECK(network->forward(pass, Var(images), traces).value.values<float>() ==
          network->forward(pass, Var(rounded), traces).value.values<float>());
  }
}
