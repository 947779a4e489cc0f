#include "tests/devices/plans.hpp"

#include <cmath>
#include <functional>
#include <utility>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/support/gated_networks.hpp"
#include "tests/support/gradient_check.hpp"

namespace bsg::test {

using inference::Execution;
using inference::Output;
using inference::Plan;

namespace {

constexpr Execution kExecutions[] = {Execution::dense, Execution::gated};

template <class T>
bool same_values(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.values<T>() == b.values<T>();
}

// Three runs of each execution (kernel by kernel, recorded, recorded before) and of each batch, against the CPU's plan.
void check_plan(Device device, const models::CifarResNet& network, const std::vector<std::int64_t>& batches,
                Precision precision = Precision::f32, double tolerance = 1e-4) {
  Context host, context({.device = device});
  Plan expected_plan(host, network), plan(context, network, precision);
  for (const std::int64_t batch : batches)
    for (const Execution execution : kExecutions) {
      CAPTURE(batch, execution == Execution::gated, to_string(precision));
      const Tensor images = images_of(host, network, batch);
      const Output expected = expected_plan.run(images, {execution, true});
      const Output first = plan.run(images, {execution, true}).to(host);
      CHECK(largest_difference(first.logits, expected.logits) <= tolerance * largest(expected.logits));
      CHECK(same_values<std::int32_t>(first.open, expected.open));
      CHECK(same_values<std::uint8_t>(first.gates, expected.gates));
      for (int again = 0; again < 2; ++again) CHECK(same(plan.run(images, {execution, true}), first));
    }
}

}  // namespace

models::CifarResNetConfig small_network(bool gated, int blocks) {
  return {.blocks_per_stage = blocks, .gated = gated, .height = 8, .width = 10};
}

Tensor images_of(Context& context, const models::CifarResNet& network, std::int64_t batch, std::uint64_t seed) {
  return random_tensor(context, {batch, 3, network.config().height, network.config().width}, seed, DType::f32);
}

bool same(const Output& a, const Output& b) {
  return same_values<float>(a.logits, b.logits) && same_values<std::int32_t>(a.open, b.open) &&
         a.gates.defined() == b.gates.defined() && (!a.gates.defined() || same_values<std::uint8_t>(a.gates, b.gates));
}

void check_plans(Device device) {
  Context host;
  check_plan(device, *network_of(host, small_network(false)), {1, 3});
  check_plan(device, *network_of(host, small_network(true)), {2, 1, 3, 0});
}

void check_gate_patterns(Device device) {
  Context host;
  const auto network = network_of(host, small_network(true));
  for (const std::function<bool(std::int64_t)>& on : std::vector<std::function<bool(std::int64_t)>>{
           [](std::int64_t) { return true; }, [](std::int64_t) { return false; }, [](std::int64_t i) { return i == 5; },
           [](std::int64_t i) { return i % 16 < 7; }}) {
    set_gates(*network, on);
    check_plan(device, *network, {2});
  }
}

void check_image_sizes(Device device) {
  Context host;
  for (const auto& [height, width] : std::vector<std::pair<int, int>>{{1, 1}, {7, 3}, {17, 13}})
    check_plan(device, *network_of(host, {.blocks_per_stage = 1, .gated = true, .height = height, .width = width}),
               {2});
}

// Products of tf32 have an error of 2^-11 for each factor, bf16's activations and weights one of 2^-9 each. Errors of
// the layers add up like a random walk; the gates are fixed, so that none falls to the other side.
void check_precisions(Device device) {
  Context host;
  const auto network = network_of(host, small_network(true, 2));
  set_gates(*network, [](std::int64_t i) { return i % 3 != 1; });
  check_plan(device, *network, {2}, Precision::tf32, 2e-3);
  check_plan(device, *network, {2}, Precision::bf16, 2e-2);
}

void check_nothing_is_left(Device device) {
  Context host, context({.device = device});
  const auto network = network_of(host, small_network(true));
  const Tensor a = images_of(host, *network, 2, 11), b = images_of(host, *network, 3, 12);
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    Plan plan(context, *network, precision);
    for (const Execution execution : kExecutions) {
      const Output first = plan.run(a, {execution, true}).to(host);
      // Another execution, a larger batch and then its recorded one.
      for (int i = 0; i < 3; ++i)
        for (const Execution other : kExecutions) plan.run(b, {other});
      CHECK(same(plan.run(a, {execution, true}), first));
      CHECK(same(plan.run(a, {execution, true}), first));
      CHECK(same(Plan(context, *network, precision).run(a, {execution, true}), first));
    }
  }
}

void check_places(Device device) {
  Context host, context({.device = device});
  const auto network = network_of(host, small_network(true));
  const Tensor images = images_of(host, *network, 2);
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    Plan plan(context, *network, precision);
    const Output expected = plan.run(images);
    CHECK(expected.logits.device() == device);
    CHECK(same(plan.run(images.to(context)), expected));
  }
  const Output expected = Plan(context, *network).run(images);
  network->move(context);
  CHECK(same(Plan(context, *network).run(images), expected));
  Plan cpu_plan(host, *network);
  CHECK(same(cpu_plan.run(images.to(context)), cpu_plan.run(images)));
}

void check_skipped_channels(Device device) {
  Context host, context({.device = device});
  const auto network = network_of(host, small_network(true));
  const auto is_on = [](std::int64_t i) { return i % 3 != 1; };
  set_gates(*network, is_on);
  const Tensor images = images_of(host, *network, 2);
  for (const Precision precision : {Precision::f32, Precision::tf32, Precision::bf16}) {
    const auto poisoned = network_of(host, small_network(true));
    set_gates(*poisoned, is_on);
    poison_closed_channels(*poisoned, is_on);
    Plan plan(context, *poisoned, precision);
    // A dense run leaves NaN in the buffers.
    CHECK(std::isnan(plan.run(images, {.execution = Execution::dense}).logits.values<float>()[0]));
    CHECK(same(plan.run(images), Plan(context, *network, precision).run(images)));
  }
}

}  // namespace bsg::test
