#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>

#include "engine/core/error.hpp"
#include "engine/inference/plan.hpp"
#include "models/pspnet.hpp"
#include "tests/models/stir.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/gradient_check.hpp"

using namespace bsg;
using inference::Execution;
using inference::Output;
using inference::Plan;

namespace {

using IsOn = std::function<bool(std::int64_t)>;

std::unique_ptr<models::PspNet> network_of(Context& context, bool bottleneck, bool gated, int height, int width) {
  Generator random(4);
  const models::ImageNetResNetConfig config{.blocks = {1, 1, 2, 2},
                                            .bottleneck = bottleneck,
                                            .classes = 5,
                                            .gated = gated,
                                            .height = height,
                                            .width = width,
                                            .gate = {.hidden = 4},
                                            .base_channels = 4,
                                            .output_stride = 8};
  return std::make_unique<models::PspNet>(context, random, config);
}

// Every image finds gate i of each module on or off.
void set_gates(nn::Network& network, const IsOn& on) {
  for (auto& [name, tensor] : network.state()) {
    if (name.ends_with("fc2.weight")) tensor->fill(0);
    if (!name.ends_with("fc2.bias")) continue;
    auto bias = tensor->span<float>();
    for (std::size_t i = 0; i < bias.size(); ++i) bias[i] = on(static_cast<std::int64_t>(i)) ? 1.0F : -1.0F;
  }
}

// NaN in all weights of the blocks that only channels with a closed gate have.
void poison_closed_channels(nn::Network& network, bool bottleneck, const IsOn& on) {
  const float nan = std::nanf("");
  for (auto& [name, tensor] : network.state()) {
    if (!name.starts_with("layer")) continue;
    const Shape& shape = tensor->shape();
    const std::int64_t rows = shape[0], row = tensor->numel() / rows;
    const bool first = name.ends_with(".conv1.weight") || name.ends_with(".bn1.bias");
    const bool second = name.ends_with(".conv2.weight") || name.ends_with(".bn2.bias");
    const bool closes_rows = first || (bottleneck && second);
    const bool closes_columns = name.ends_with(bottleneck ? ".conv3.weight" : ".conv2.weight") ||
                                (bottleneck && name.ends_with(".conv2.weight"));
    const std::int64_t taps = closes_columns ? row / shape[1] : 1;
    for (std::int64_t k = 0; k < rows; ++k)
      for (std::int64_t i = 0; i < row; ++i)
        if ((closes_rows && !on(k)) || (closes_columns && !on(i / taps))) tensor->data<float>()[k * row + i] = nan;
  }
}

void check_close(const std::vector<float>& a, const std::vector<float>& b, double tolerance) {
  REQUIRE(a.size() == b.size());
  double largest = 0, difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    REQUIRE(std::isfinite(a[i]));
    largest = std::max(largest, std::abs(static_cast<double>(b[i])));
    difference = std::max(difference, std::abs(static_cast<double>(a[i]) - b[i]));
  }
  REQUIRE(largest > 0);
  CHECK(difference <= tolerance * largest);
}

// Both executions on a device against the training network's forward pass.
void check_plan(models::PspNet& network, Device device, std::int64_t batch, int height, int width,
                Precision precision = Precision::f32, double tolerance = 1e-4) {
  Context host({.threads = 2}), context({.device = device, .threads = 2});
  const Tensor images = test::random_tensor(host, {batch, 3, height, width}, 11, DType::f32);
  std::vector<nn::GateTrace> traces;
  const std::vector<float> expected = network.forward({host, nullptr, false}, images, traces).value.values<float>();
  Plan plan(context, network, precision);
  for (const Execution execution : {Execution::dense, Execution::gated}) {
    CAPTURE(to_string(device), to_string(precision), batch, height, width, execution == Execution::gated);
    const Output output = plan.run(images, {.execution = execution}).to(host);
    REQUIRE(output.logits.shape() == Shape{batch, 5, height, width});
    check_close(output.logits.values<float>(), expected, tolerance);
    const std::vector<std::int32_t> open = output.open.values<std::int32_t>();
    for (std::size_t layer = 0; layer < traces.size(); ++layer) {
      const std::vector<float> gates = traces[layer].gate.value.values<float>();
      const auto count = gates.size() / static_cast<std::size_t>(batch);
      for (std::size_t n = 0; n < static_cast<std::size_t>(batch); ++n)
        CHECK(open[n * traces.size() + layer] == std::count(&gates[n * count], &gates[n * count] + count, 1.0F));
    }
  }
}

}  // namespace

TEST_CASE("plans of PSPNets compute what the networks compute, at any size of image", "[models]") {
  Context host;
  for (const bool bottleneck : {false, true})
    for (const bool gated : {false, true})
      for (const auto& [height, width] : {std::pair{33, 40}, {64, 57}, {16, 7}}) {
        const auto network = network_of(host, bottleneck, gated, height, width);
        test::stir(*network, 8);
        for (const std::int64_t batch : {1, 3}) check_plan(*network, Device::cpu, batch, height, width);
        check_plan(*network, Device::simt, 2, height, width);
      }
}

TEST_CASE("plans of PSPNets agree with all gates on, all off, one on", "[models]") {
  Context host;
  for (const bool bottleneck : {false, true})
    for (const IsOn& on : std::vector<IsOn>{[](std::int64_t) { return true; }, [](std::int64_t) { return false; },
                                            [](std::int64_t i) { return i == 2; }}) {
      const auto network = network_of(host, bottleneck, true, 24, 31);
      test::stir(*network, 8);
      set_gates(*network, on);
      for (const Device device : {Device::cpu, Device::simt}) check_plan(*network, device, 2, 24, 31);
      check_plan(*network, Device::simt, 1, 24, 31, Precision::bf16, 5e-2);
    }
}

TEST_CASE("NaN behind a PSPNet's closed gates does not reach the scores", "[models]") {
  Context host({.threads = 2});
  const IsOn on = [](std::int64_t i) { return i % 3 != 1; };
  for (const bool bottleneck : {false, true}) {
    const auto network = network_of(host, bottleneck, true, 24, 31);
    test::stir(*network, 8);
    set_gates(*network, on);
    const Tensor images = test::random_tensor(host, {2, 3, 24, 31}, 11, DType::f32);
    for (const Device device : {Device::cpu, Device::simt}) {
      CAPTURE(bottleneck, to_string(device));
      Context context({.device = device, .threads = 2});
      const std::vector<float> clean = Plan(context, *network).run(images).logits.values<float>();
      const auto poisoned = network_of(host, bottleneck, true, 24, 31);
      test::stir(*poisoned, 8);
      set_gates(*poisoned, on);
      poison_closed_channels(*poisoned, bottleneck, on);
      Plan plan(context, *poisoned);
      CHECK(std::isnan(plan.run(images, {.execution = Execution::dense}).logits.values<float>()[0]));
      CHECK(plan.run(images).logits.values<float>() == clean);
    }
  }
}

TEST_CASE("the scores of an image do not depend on the number of threads, nor on the batch", "[models]") {
  std::vector<float> first;
  for (const int threads : {1, 2, 3})
    for (const std::int64_t batch : {1, 3}) {
      Context context({.threads = threads});
      const auto network = network_of(context, false, true, 24, 31);
      test::stir(*network, 8);
      const Tensor images = test::random_tensor(context, {3, 3, 24, 31}, 11, DType::f32);
      Plan plan(context, *network);
      std::vector<float> logits;
      for (std::int64_t n = 0; n < 3; n += batch) {
        const auto part = images.span<float>().subspan(static_cast<std::size_t>(n * 3 * 24 * 31), batch * 3 * 24 * 31);
        const std::vector<float> scores =
            plan.run(Tensor::from<float>(context, {batch, 3, 24, 31}, part)).logits.values<float>();
        logits.insert(logits.end(), scores.begin(), scores.end());
      }
      if (first.empty()) first = logits;
      REQUIRE(logits == first);
    }
}
