#include "kernels/gated_conv/gated_conv.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <vector>

#include <hwy/highway.h>

#include "engine/core/random.hpp"
#include "kernels/gate/gate.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/targets.hpp"

using namespace bsg;
using namespace bsg::kernels;
using cpu::ConvGeometry;
using cpu::ConvMethod;
using cpu::WeightOrder;
using test::for_each_target;

namespace {

struct Case {
  std::int64_t channels, height, width, outputs;
  ConvWindow window;
  std::int64_t more_frame = 0;         // around x, beside the padding
  std::int64_t residual_channels = 0;  // 0: no residual
  std::int64_t residual_stride = 1;
};

constexpr ConvWindow k3x3{3, 3, 1, 1, 1};

// A method and how it has its weights.
struct Way {
  ConvMethod method;
  WeightOrder order = WeightOrder::outputs;
};

const std::vector<Way> kWays = {
    {ConvMethod::direct}, {ConvMethod::winograd}, {ConvMethod::winograd, WeightOrder::inputs}};

const std::vector<Case> kCases = {
    // Vectors along rows, row pairs, planes; every number of outputs that a register tile may have.
    {16, 32, 32, 16, k3x3, 0, 16, 1},
    {5, 8, 8, 1, k3x3, 1, 1, 1},
    {4, 7, 7, 2, k3x3},
    {3, 9, 8, 3, k3x3, 0, 2, 1},
    {6, 14, 14, 4, k3x3, 0, 4, 1},
    {9, 28, 28, 5, k3x3},
    {8, 16, 16, 32, k3x3, 0, 16, 2},
    {20, 13, 21, 23, k3x3, 0, 23, 1},
    {32, 4, 4, 40, k3x3, 0, 40, 1},
    {2, 56, 57, 7, k3x3},
    {2, 1, 1, 3, k3x3},
    {3, 2, 5, 6, k3x3},
    {11, 33, 47, 13, k3x3, 2, 9, 1},
    {4, 12, 12, 4, {3, 3, 1, 0, 1}},
    {4, 12, 11, 4, {3, 3, 1, 2, 1}},
    // Other windows, strides and dilations.
    {6, 14, 14, 9, {3, 3, 2, 1, 1}},
    {3, 9, 11, 2, {3, 3, 2, 1, 1}},
    {8, 8, 8, 19, {1, 1, 1, 0, 1}, 1, 19, 1},
    {8, 9, 9, 5, {1, 1, 2, 0, 1}},
    {3, 17, 19, 3, {7, 7, 2, 3, 1}},
    // Dilated: planes that their phases divide and do not, with a phase of a pixel, with fewer pixels than phases.
    {2, 12, 13, 3, {3, 3, 1, 2, 2}},
    {16, 30, 30, 17, {3, 3, 1, 2, 2}, 0, 17, 1},
    {9, 30, 29, 16, {3, 3, 1, 4, 4}, 1, 8, 1},
    {4, 33, 70, 5, {3, 3, 1, 2, 2}, 0, 3, 1},
    {5, 16, 16, 18, {3, 3, 1, 2, 2}, 0, 9, 2},
    {3, 5, 6, 4, {3, 3, 1, 4, 4}},
    {2, 2, 3, 2, {3, 3, 1, 4, 4}},
    {2, 17, 12, 3, {3, 3, 1, 3, 3}},
    {2, 15, 14, 3, {3, 3, 1, 1, 2}},
    {2, 5, 3, 4, {2, 3, 3, 1, 1}},
};

// A value for pixel (c, i, j) of sample planes, zero outside.
struct Sample {
  std::int64_t channels, height, width;
  std::vector<float> values;

  Sample(std::int64_t c, std::int64_t h, std::int64_t w, std::uint64_t seed) : channels(c), height(h), width(w) {
    Generator random(seed);
    for (std::int64_t i = 0; i < c * h * w; ++i) values.push_back(static_cast<float>(random.normal()));
  }
  float at(std::int64_t c, std::int64_t i, std::int64_t j) const {
    if (i < 0 || j < 0 || i >= height || j >= width) return 0;
    return values[static_cast<std::size_t>((c * height + i) * width + j)];
  }
};

std::vector<float> random_values(std::int64_t count, double scale, std::uint64_t seed) {
  std::vector<float> values;
  Generator random(seed);
  for (std::int64_t i = 0; i < count; ++i) values.push_back(static_cast<float>(scale * random.normal()));
  return values;
}

std::vector<std::int32_t> every(std::int64_t count, int step = 1) {
  std::vector<std::int32_t> list;
  for (std::int32_t i = 0; i < count; i += step) list.push_back(i);
  return list;
}

// Everything that a call works on.
struct Problem {
  Case c;
  Sample x, residual;
  std::vector<float> weight, bias, scale;

  explicit Problem(const Case& of)
      : c(of),
        x(of.channels, of.height, of.width, 1),
        residual(of.residual_channels, (out_height() - 1) * of.residual_stride + 1,
                 (out_width() - 1) * of.residual_stride + 1, 2),
        weight(random_values(of.outputs * of.channels * of.window.taps(),
                             1 / std::sqrt(static_cast<double>(of.channels * of.window.taps())), 3)),
        bias(random_values(of.outputs, 1, 4)),
        scale(random_values(of.outputs, 1, 5)) {}
  std::int64_t out_height() const { return c.window.out(c.height, c.window.height); }
  std::int64_t out_width() const { return c.window.out(c.width, c.window.width); }
  std::int64_t residual_first() const { return (c.outputs - c.residual_channels) / 2; }

  // Plain loops; the sum is kept in S.
  template <class S>
  S pixel(const std::vector<std::int32_t>& inputs, std::int64_t k, std::int64_t i, std::int64_t j, bool relu,
          bool scaled) const {
    const ConvWindow& w = c.window;
    S sum = bias[static_cast<std::size_t>(k)];
    for (const std::int64_t channel : inputs)
      for (std::int64_t r = 0; r < w.height; ++r)
        for (std::int64_t s = 0; s < w.width; ++s)
          sum += static_cast<S>(
                     weight[static_cast<std::size_t>(((k * c.channels + channel) * w.height + r) * w.width + s)]) *
                 static_cast<S>(x.at(channel, i * w.stride + r * w.dilation - w.padding,
                                     j * w.stride + s * w.dilation - w.padding));
    const std::int64_t from = k - residual_first();
    if (from >= 0 && from < c.residual_channels)
      sum += static_cast<S>(residual.at(from, i * c.residual_stride, j * c.residual_stride));
    if (relu) sum = std::max(sum, S{0});
    return scaled ? sum * static_cast<S>(scale[static_cast<std::size_t>(k)]) : sum;
  }
};

// The sample's planes in memory that holds not an element more than promised.
std::vector<float> placed(const Sample& sample, const PlaneLayout& layout) {
  PlaneLayout whole = layout;
  whole.phases = 1;
  std::vector<float> planes(static_cast<std::size_t>(whole.size()));
  cpu::place_sample(whole, sample.values.data(), 0, sample.channels, planes.data());
  if (layout.phases == 1) return planes;
  std::vector<float> phases(static_cast<std::size_t>(layout.size()));
  cpu::split_phases(whole, planes.data(), layout, 0, sample.channels, phases.data());
  return phases;
}

void check(const Problem& problem, const Way& way, const std::vector<std::int32_t>& inputs,
           const std::vector<std::int32_t>& outputs, bool relu, bool scaled) {
  const Case& c = problem.c;
  const PlaneLayout x{c.channels, c.height, c.width, c.window.padding + c.more_frame, c.window.stride};
  const PlaneLayout y{c.outputs, problem.out_height(), problem.out_width(), 1, 1};
  ResidualLayout residual;
  if (c.residual_channels > 0)
    residual = {{c.residual_channels, problem.residual.height, problem.residual.width, 1, c.residual_stride},
                c.residual_stride};
  const ConvGeometry geometry(x, c.window, y, c.residual_channels > 0 ? &residual : nullptr, way.method, way.order);
  CAPTURE(c.channels, c.height, c.width, c.outputs, c.window.height, c.window.stride,
          way.method == ConvMethod::winograd, way.order == WeightOrder::inputs, inputs.size(), outputs.size(), relu,
          scaled, hwy::TargetName(hwy::SupportedTargets() & -hwy::SupportedTargets()));

  const std::vector<float> planes = placed(problem.x, x), weight = cpu::lay_out_weights(geometry, problem.weight);
  const std::vector<float> residual_planes =
      c.residual_channels > 0 ? placed(problem.residual, residual.planes) : std::vector<float>();
  // What a call must not touch keeps this value.
  constexpr float kUntouched = 1234;
  std::vector<float> result(static_cast<std::size_t>(y.size()), kUntouched);
  std::vector<float> sums(static_cast<std::size_t>(c.outputs * PlaneLayout::kSlack), kUntouched);
  std::vector<float> scratch(static_cast<std::size_t>(geometry.scratch()), std::numeric_limits<float>::quiet_NaN());
  cpu::gated_conv({.geometry = &geometry,
                   .x = planes.data(),
                   .weight = weight.data(),
                   .bias = problem.bias.data(),
                   .inputs = inputs.data(),
                   .input_count = static_cast<std::int64_t>(inputs.size()),
                   .outputs = outputs.data(),
                   .output_count = static_cast<std::int64_t>(outputs.size()),
                   .scale = scaled ? problem.scale.data() : nullptr,
                   .residual = c.residual_channels > 0 ? residual_planes.data() : nullptr,
                   .residual_first = problem.residual_first(),
                   .residual_channels = c.residual_channels,
                   .relu = relu,
                   .y = result.data(),
                   .sums = sums.data(),
                   .scratch = scratch.data()});

  std::vector<float> mean(static_cast<std::size_t>(c.outputs));
  cpu::mean_of_planes(sums.data(), c.outputs, 0.5F, mean.data());
  double error = 0, plain_error = 0;
  for (const std::int32_t k : outputs) {
    double sum = 0;
    for (std::int64_t i = 0; i < y.height; ++i)
      for (std::int64_t j = 0; j < y.width; ++j) {
        float& got = result[static_cast<std::size_t>(k * y.plane() + y.offset(i, j))];
        const double exact = problem.pixel<double>(inputs, k, i, j, relu, scaled);
        REQUIRE(std::isfinite(got));
        error += std::pow(got - exact, 2);
        plain_error += std::pow(problem.pixel<float>(inputs, k, i, j, relu, scaled) - exact, 2);
        sum += got;
        got = kUntouched;
      }
    CHECK(mean[static_cast<std::size_t>(k)] == Approx(sum / 2).margin(1e-4));
  }
  // Sums of squares: twice the error is four times its square. The last term stands for results of a few roundings.
  CHECK(error <= 4 * plain_error + 1e-14 * static_cast<double>(y.size()));
  for (const float value : result) REQUIRE(value == kUntouched);
}

}  // namespace

TEST_CASE("gated convolutions are at most twice as far from double as plain float loops, on every instruction set",
          "[gated_conv]") {
  for_each_target([] {
    for (const Case& c : kCases) {
      const Problem problem(c);
      for (const Way& way : kWays) {
        const bool winograd_can = c.window.height == 3 && c.window.width == 3 && c.window.stride == 1;
        if (way.method == ConvMethod::winograd && !winograd_can) continue;
        check(problem, way, every(c.channels), every(c.outputs), true, false);
        check(problem, way, every(c.channels, 2), every(c.outputs), false, true);
        check(problem, way, every(c.channels), every(c.outputs, 2), true, true);
        check(problem, way, every(c.channels, 3), {static_cast<std::int32_t>(c.outputs - 1)}, false, false);
        check(problem, way, {}, every(c.outputs), true, false);
        check(problem, way, every(c.channels), {}, true, false);
      }
    }
  });
}

TEST_CASE("any number of outputs, side by side or scattered, gives the bits of all of them", "[gated_conv]") {
  for (const Way& way : kWays)
    for (const std::int64_t side : {8, 32}) {
      const std::int64_t channels = 37;
      const PlaneLayout x{5, side, side, 1, 1}, y{channels, side, side, 1, 1};
      const ConvGeometry geometry(x, k3x3, y, nullptr, way.method, way.order);
      const std::vector<float> planes = placed(Sample(5, side, side, 1), x);
      const std::vector<float> weight = cpu::lay_out_weights(geometry, random_values(channels * 45, 1, 2));
      const std::vector<float> bias = random_values(channels, 1, 3);
      const std::vector<std::int32_t> inputs = every(5);
      std::vector<float> scratch(static_cast<std::size_t>(geometry.scratch()));
      const auto run = [&](const std::vector<std::int32_t>& outputs) {
        std::vector<float> result(static_cast<std::size_t>(y.size()));
        cpu::gated_conv({.geometry = &geometry,
                         .x = planes.data(),
                         .weight = weight.data(),
                         .bias = bias.data(),
                         .inputs = inputs.data(),
                         .input_count = 5,
                         .outputs = outputs.data(),
                         .output_count = static_cast<std::int64_t>(outputs.size()),
                         .y = result.data(),
                         .scratch = scratch.data()});
        return result;
      };
      const std::vector<float> all = run(every(channels));
      Generator random(4);
      for (std::size_t count = 0; count <= 37; ++count) {
        std::vector<std::int32_t> outputs = every(channels);
        while (outputs.size() > count) {
          const bool from_the_end = count % 2 == 0;  // leaves those at the beginning side by side
          outputs.erase(from_the_end ? outputs.end() - 1
                                     : outputs.begin() + static_cast<std::ptrdiff_t>(random.below(outputs.size())));
        }
        const std::vector<float> some = run(outputs);
        for (const std::int32_t k : outputs)
          REQUIRE(std::equal(some.begin() + k * y.plane(), some.begin() + (k + 1) * y.plane(),
                             all.begin() + k * y.plane()));
      }
    }
}

TEST_CASE("the order of Winograd's weights changes no bit", "[gated_conv]") {
  const PlaneLayout x{21, 14, 14, 1, 1}, y{37, 14, 14, 1, 1};
  const std::vector<float> planes = placed(Sample(21, 14, 14, 1), x), values = random_values(37 * 21 * 9, 1, 2),
                           bias = random_values(37, 1, 3);
  const std::vector<std::int32_t> inputs = every(21, 2), outputs = every(37);
  const auto run = [&](WeightOrder order) {
    const ConvGeometry geometry(x, k3x3, y, nullptr, ConvMethod::winograd, order);
    const std::vector<float> weight = cpu::lay_out_weights(geometry, values);
    std::vector<float> result(static_cast<std::size_t>(y.size())),
        scratch(static_cast<std::size_t>(geometry.scratch()));
    cpu::gated_conv({.geometry = &geometry,
                     .x = planes.data(),
                     .weight = weight.data(),
                     .bias = bias.data(),
                     .inputs = inputs.data(),
                     .input_count = 11,
                     .outputs = outputs.data(),
                     .output_count = 37,
                     .y = result.data(),
                     .scratch = scratch.data()});
    return result;
  };
  CHECK(run(WeightOrder::outputs) == run(WeightOrder::inputs));
}

TEST_CASE("a NaN that enters a sum is not taken for zero by the ReLU", "[gated_conv]") {
  for_each_target([] {
    for (const ConvMethod method : {ConvMethod::direct, ConvMethod::winograd}) {
      const PlaneLayout layout{1, 16, 16, 1, 1};
      const ConvGeometry geometry(layout, k3x3, layout, nullptr, method);
      const std::vector<float> planes = placed(Sample(1, 16, 16, 1), layout);
      const std::vector<float> weight =
          cpu::lay_out_weights(geometry, std::vector<float>(9, std::numeric_limits<float>::quiet_NaN()));
      const float bias = 0;
      const std::int32_t first = 0;
      std::vector<float> result(static_cast<std::size_t>(layout.size())),
          scratch(static_cast<std::size_t>(geometry.scratch()));
      cpu::gated_conv({.geometry = &geometry,
                       .x = planes.data(),
                       .weight = weight.data(),
                       .bias = &bias,
                       .inputs = &first,
                       .input_count = 1,
                       .outputs = &first,
                       .output_count = 1,
                       .relu = true,
                       .y = result.data(),
                       .scratch = scratch.data()});
      for (std::int64_t i = 0; i < 16; ++i)
        for (std::int64_t j = 0; j < 16; ++j)
          REQUIRE(std::isnan(result[static_cast<std::size_t>(layout.offset(i, j))]));
    }
  });
}

TEST_CASE("ResNet-20's convolutions of stride 1 are worth transforming but for the stem", "[gated_conv]") {
  const auto method = [](std::int64_t in, std::int64_t out, std::int64_t side) {
    const PlaneLayout x{in, side, side, 1, 1}, y{out, side, side, 1, 1};
    return ConvGeometry(x, k3x3, y, nullptr).method;
  };
  CHECK(method(3, 16, 32) == ConvMethod::direct);
  CHECK(method(16, 16, 32) == ConvMethod::winograd);
  CHECK(method(32, 32, 16) == ConvMethod::winograd);
  CHECK(method(64, 64, 8) == ConvMethod::winograd);
  CHECK(method(4, 4, 3) == ConvMethod::direct);
}

TEST_CASE("affine layers and lists of open gates", "[gate]") {
  for_each_target([] {
    for (const std::int64_t outputs : {1, 7, 16, 33}) {
      const std::int64_t inputs = 5;
      const std::vector<float> weight = random_values(inputs * outputs, 1, 1), bias = random_values(outputs, 1, 2),
                               x = random_values(inputs, 1, 3);
      std::vector<float> y(static_cast<std::size_t>(outputs)), rectified(y);
      const cpu::Affine layer{inputs, outputs, weight.data(), bias.data()};
      cpu::affine(layer, x.data(), false, y.data());
      cpu::affine(layer, x.data(), true, rectified.data());
      for (std::size_t o = 0; o < y.size(); ++o) {
        double sum = bias[o];
        for (std::size_t i = 0; i < 5; ++i) sum += static_cast<double>(x[i]) * weight[i * y.size() + o];
        CHECK(y[o] == Approx(sum).margin(1e-5));
        CHECK(rectified[o] == std::max(0.0F, y[o]));
      }
    }
  });
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> logits = {0, 1, -1, nan, 1e-30F, -0.0F, 3};
  std::vector<std::int32_t> open(logits.size(), -1);
  std::vector<float> mask(logits.size(), -1);
  REQUIRE(cpu::list_open(logits.data(), 7, open.data(), mask.data()) == 3);
  CHECK(open[0] == 1);
  CHECK(open[1] == 4);
  CHECK(open[2] == 6);
  CHECK(mask == std::vector<float>{0, 1, 0, 0, 1, 0, 1});
}
