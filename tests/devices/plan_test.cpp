// Inference plans on the emulated device, in what order its threads may take turns, and what it is asked to do.
#include <algorithm>
#include <vector>

#include "engine/core/error.hpp"
#include "kernels/simt/emulator.hpp"
#include "tests/devices/device.hpp"
#include "tests/devices/plans.hpp"
#include "tests/emulated/orders.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/gated_networks.hpp"

using namespace bsg;
using inference::Execution;
using inference::Output;
using inference::Plan;
using test::images_of;
using test::network_of;
using test::small_network;

TEST_CASE("plans on the emulator compute what the CPU's compute, plain and gated, dense and skipping") {
  test::check_plans(Device::simt);
}
TEST_CASE("plans on the emulator: all gates on, all off, one on, some on") { test::check_gate_patterns(Device::simt); }
TEST_CASE("plans on the emulator take images of any size") { test::check_image_sizes(Device::simt); }
TEST_CASE("plans in tf32 and bf16 on the emulator stay near the CPU's f32") { test::check_precisions(Device::simt); }
TEST_CASE("nothing of a plan's run on the emulator is left for the next one") {
  test::check_nothing_is_left(Device::simt);
  const test::LateWork late;
  test::check_nothing_is_left(Device::simt);
}
TEST_CASE("plans on the emulator take images and networks wherever they lie") { test::check_places(Device::simt); }
TEST_CASE("plans on the emulator read nothing of a skipped channel: NaN in its weights stays there") {
  test::check_skipped_channels(Device::simt);
}

TEST_CASE("a sample's bits do not depend on its batch, nor a run's on the order of threads") {
  Context host, context({.device = Device::simt});
  const auto network = network_of(host, small_network(true));
  const Tensor images = images_of(host, *network, 3);
  const std::vector<float> values = images.values<float>();
  const std::ptrdiff_t one = 3 * 8 * 10;
  for (const Precision precision : {Precision::f32, Precision::tf32, Precision::bf16}) {
    std::vector<float> logits;
    test::for_each_order([&](std::string_view order) {
      CAPTURE(order, to_string(precision));
      Plan plan(context, *network, precision);
      const std::vector<float> got = plan.run(images).logits.values<float>();
      if (logits.empty()) logits = got;
      CHECK(got == logits);
      const std::vector<float> last(values.begin() + 2 * one, values.end());
      const std::vector<float> alone = plan.run(Tensor::from(host, {1, 3, 8, 10}, last)).logits.values<float>();
      CHECK(std::equal(alone.begin(), alone.end(), logits.end() - static_cast<std::ptrdiff_t>(alone.size())));
    });
  }
}

// ResNet-20-BAS: the image's layout, 19 convolutions, 9 gating modules, 2 shortcuts that change the shape, the means
// that the classifier reads, and the classifier.
TEST_CASE("a run of ResNet-20-BAS is 33 launches, and waits for nothing") {
  Context host, context({.device = Device::simt});
  const auto network = network_of(host, {.blocks_per_stage = 3, .gated = true, .height = 4, .width = 4});
  const Tensor images = images_of(host, *network, 2);
  Plan plan(context, *network);
  for (const Execution execution : {Execution::dense, Execution::gated}) {
    plan.run(images, {execution});
    for (int run = 0; run < 3; ++run) {
      CAPTURE(run, execution == Execution::gated);
      const simt::EmulatedCalls before = simt::emulated_calls();
      const auto allocations = context.allocator()->statistics().allocations;
      const Output output = plan.run(images, {execution});
      CHECK(simt::emulated_calls().launches - before.launches == 33);
      CHECK(simt::emulated_calls().waits == before.waits);
      output.to(host);
      CHECK(simt::emulated_calls().waits - before.waits == 2);
      // Its results.
      CHECK(context.allocator()->statistics().allocations - allocations == 2);
    }
  }
  const std::size_t bytes = plan.bytes();
  plan.run(images_of(host, *network, 1));
  CHECK(plan.bytes() == bytes);
}

TEST_CASE("what a device has no room for is named when the plan is made") {
  Context host, context({.device = Device::simt});
  models::CifarResNetConfig config = small_network(true);
  config.gate.hidden = 32768 - 15;
  const auto network = network_of(host, config);
  REQUIRE_THROWS_WITH(Plan(context, *network), Catch::Contains("16 inputs and 32753 hidden units") &&
                                                   Catch::Contains("device simt") && Catch::Contains("32768"));
  CHECK_NOTHROW(Plan(host, *network));
}
