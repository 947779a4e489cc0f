// How many kernels a training step starts on the emulated device.
#include <memory>

#include "engine/nn/network.hpp"
#include "engine/ops/softmax_cross_entropy.hpp"
#include "engine/optim/sgd.hpp"
#include "kernels/simt/emulator.hpp"
#include "models/registry.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;

TEST_CASE("an SGD step of ResNet-20-BAS is one launch for each 96 tensors of a group") {
  Context host, context({.device = Device::simt});
  const auto network = models::make_network(host, {.arch = "resnet20_bas", .classes = 10, .height = 8, .width = 8}, 5);
  network->move(context);
  const auto groups = optim::split_gating(network->parameters(), 5e-4, 0, 1);
  REQUIRE(groups.size() == 2);
  REQUIRE(groups[0].parameters.size() <= 96);
  REQUIRE(groups[1].parameters.size() <= 96);
  optim::Sgd optimizer(context, groups, {});
  Tape tape(context);
  std::vector<nn::GateTrace> traces;
  const Var logits = network->forward({.context = context, .tape = &tape, .training = true},
                                      Var(Tensor::full(context, {2, 3, 8, 8}, 0.5)), traces);
  tape.backward(ops::softmax_cross_entropy(context, logits, Tensor::full(host, {2}, 3, DType::i64)));
  const std::uint64_t before = simt::emulated_calls().launches;
  optimizer.step(0.1);
  CHECK(simt::emulated_calls().launches - before == 2);
}
