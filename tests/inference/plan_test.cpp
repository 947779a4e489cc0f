#include "engine/inference/plan.hpp"

#include <cmath>

#include "engine/core/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/gated_networks.hpp"
#include "tests/support/gradient_check.hpp"

using namespace bsg;
using inference::Execution;
using inference::Output;
using inference::Plan;
using test::largest;
using test::largest_difference;
using test::network_of;
using test::set_gates;

namespace {

struct Expected {
  Tensor logits;
  std::vector<std::vector<float>> gates;  // by image: of all layers
  std::vector<std::vector<std::int32_t>> open;
};

Expected forward(Context& context, nn::Network& network, const Tensor& images) {
  std::vector<nn::GateTrace> traces;
  Expected expected{network.forward({context, nullptr, false}, images, traces).value, {}, {}};
  for (std::int64_t n = 0; n < images.shape()[0]; ++n) {
    std::vector<float> gates;
    std::vector<std::int32_t> open;
    for (const nn::GateTrace& trace : traces) {
      const std::int64_t count = trace.gate.shape()[1];
      const float* row = trace.gate.value.data<float>() + n * count;
      gates.insert(gates.end(), row, row + count);
      open.push_back(static_cast<std::int32_t>(std::count(row, row + count, 1.0F)));
    }
    expected.gates.push_back(std::move(gates));
    expected.open.push_back(std::move(open));
  }
  return expected;
}

// Both executions against the training network's forward pass.
void check_plan(Context& context, models::CifarResNet& network, std::int64_t batch) {
  const auto& config = network.config();
  const Tensor images = test::random_tensor(context, {batch, 3, config.height, config.width}, 11, DType::f32);
  const Expected expected = forward(context, network, images);
  Plan plan(context, network);
  const double tolerance = 1e-4 * largest(expected.logits);
  for (const Execution execution : {Execution::dense, Execution::gated}) {
    CAPTURE(batch, config.height, config.width, execution == Execution::gated);
    const Output output = plan.run(images, {.execution = execution, .gates = true});
    REQUIRE(largest_difference(output.logits, expected.logits) <= tolerance);
    const auto layers = static_cast<std::int64_t>(network.macs().layers.size());
    const std::int64_t gates = network.macs().gates();
    REQUIRE(output.open.shape() == Shape{batch, layers});
    REQUIRE(output.gates.shape() == Shape{batch, gates});
    for (std::int64_t n = 0; n < batch; ++n) {
      for (std::int64_t layer = 0; layer < layers; ++layer)
        REQUIRE(output.open.data<std::int32_t>()[n * layers + layer] == expected.open[n][layer]);
      for (std::int64_t i = 0; i < gates; ++i)
        REQUIRE(output.gates.data<std::uint8_t>()[n * gates + i] == expected.gates[n][i]);
    }
  }
}

}  // namespace

TEST_CASE("plans compute what the network computes, plain and gated, dense and skipping", "[inference]") {
  Context context({.threads = 2});
  for (const bool gated : {false, true})
    for (const std::int64_t batch : {0, 1, 2, 5})
      check_plan(context, *network_of(context, {.blocks_per_stage = 2, .gated = gated}), batch);
}

TEST_CASE("plans agree on images of any size", "[inference]") {
  Context context({.threads = 2});
  // Rows of one vector and less, pairs of rows, rows joined over the frame, planes that shrink to one pixel.
  for (const auto& [height, width] : std::vector<std::pair<int, int>>{
           {1, 1}, {2, 3}, {7, 7}, {8, 8}, {14, 14}, {28, 28}, {9, 31}, {31, 9}, {33, 47}, {56, 56}})
    for (const bool gated : {false, true})
      check_plan(context,
                 *network_of(context, {.blocks_per_stage = 1, .gated = gated, .height = height, .width = width}), 3);
}

TEST_CASE("all gates on, all off, one on, any number of them", "[inference]") {
  Context context({.threads = 2});
  const auto network = network_of(context, {.blocks_per_stage = 1, .gated = true});
  set_gates(*network, [](std::int64_t) { return true; });
  check_plan(context, *network, 3);
  set_gates(*network, [](std::int64_t) { return false; });
  check_plan(context, *network, 3);
  set_gates(*network, [](std::int64_t i) { return i == 5; });
  check_plan(context, *network, 3);
  for (const int open : {2, 3, 7, 13, 15}) {
    set_gates(*network, [&](std::int64_t i) { return (i * 7) % 16 < open; });
    check_plan(context, *network, 2);
  }
}

TEST_CASE("a sample's bits depend on nothing but the sample", "[inference]") {
  std::vector<float> first;
  for (const int threads : {1, 2, 3})
    for (const std::int64_t batch : {1, 2, 7}) {
      Context context({.threads = threads});
      const auto network = network_of(context, {.blocks_per_stage = 1, .gated = true, .height = 20, .width = 20});
      const Tensor images = test::random_tensor(context, {7, 3, 20, 20}, 11, DType::f32);
      Plan plan(context, *network);
      std::vector<float> logits;
      for (const Execution execution : {Execution::gated, Execution::dense})
        for (std::int64_t n = 0; n < 7; n += batch) {
          const std::int64_t count = std::min(batch, 7 - n);
          const auto part = images.span<float>().subspan(static_cast<std::size_t>(n * 1200), count * 1200);
          const Output output = plan.run(Tensor::from<float>(context, {count, 3, 20, 20}, part), {execution, false});
          logits.insert(logits.end(), output.logits.span<float>().begin(), output.logits.span<float>().end());
        }
      if (first.empty()) first = logits;
      REQUIRE(logits == first);
    }
}

TEST_CASE("nothing of a skipped channel is read: NaN in its weights stays there", "[inference]") {
  Context context({.threads = 2});
  const auto network = network_of(context, {.blocks_per_stage = 2, .gated = true});
  const auto is_on = [](std::int64_t i) { return i % 3 != 1; };
  set_gates(*network, is_on);
  const Tensor images = test::random_tensor(context, {3, 3, 32, 32}, 11, DType::f32);
  const Tensor clean = Plan(context, *network).run(images).logits;
  test::poison_closed_channels(*network, is_on);
  Plan plan(context, *network);
  // The planes of skipped channels hold NaN from a dense run, too.
  const Tensor dense = plan.run(images, {.execution = Execution::dense}).logits;
  CHECK(std::isnan(dense.data<float>()[0]));
  const Tensor gated = plan.run(images).logits;
  REQUIRE(std::equal(gated.span<float>().begin(), gated.span<float>().end(), clean.span<float>().begin()));
}

TEST_CASE("a plan keeps the weights that it was made from", "[inference]") {
  Context context;
  const auto network = network_of(context, {.blocks_per_stage = 1, .gated = true, .height = 8, .width = 8});
  const Tensor images = test::random_tensor(context, {2, 3, 8, 8}, 11, DType::f32);
  Plan plan(context, *network);
  const Tensor before = plan.run(images).logits;
  network->conv1.weight.value.fill(0);
  const Tensor after = plan.run(images).logits;
  REQUIRE(std::equal(before.span<float>().begin(), before.span<float>().end(), after.span<float>().begin()));
}

TEST_CASE("a run asks the allocator for its results alone", "[inference]") {
  Context context({.threads = 2});
  const auto network = network_of(context, {.blocks_per_stage = 1, .gated = true});
  const Tensor images = test::random_tensor(context, {9, 3, 32, 32}, 11, DType::f32);
  Plan plan(context, *network);
  const auto before = context.allocator()->statistics();
  const Output output = plan.run(images);
  CHECK(context.allocator()->statistics().allocations - before.allocations == 2);
  CHECK(plan.bytes() > 0);
}

TEST_CASE("images that a plan was not made for are named", "[inference]") {
  Context context;
  const auto network = network_of(context, {.blocks_per_stage = 1});
  Plan plan(context, *network);
  REQUIRE_THROWS_WITH(plan.run(Tensor::zeros(context, {2, 3, 32, 31})),
                      Catch::Contains("[2, 3, 32, 31]") && Catch::Contains("[N, 3, 32, 32]"));
  REQUIRE_THROWS_AS(plan.run(Tensor::zeros(context, {2, 1, 32, 32})), ShapeError);
  REQUIRE_THROWS_AS(plan.run(Tensor::zeros(context, {3, 32, 32})), ShapeError);
  REQUIRE_THROWS_AS(plan.run(Tensor::zeros(context, {1, 3, 32, 32}, DType::f64)), ShapeError);
  REQUIRE_THROWS_AS(plan.run(Tensor()), ShapeError);
}

TEST_CASE("the CPU computes f32 alone", "[inference]") {
  Context context;
  const auto network = network_of(context, {.blocks_per_stage = 1});
  REQUIRE_THROWS_WITH(Plan(context, *network, Precision::bf16), Catch::Contains("bf16") && Catch::Contains("cpu"));
  REQUIRE_THROWS_AS(Plan(context, *network, Precision::tf32), ConfigError);
}
