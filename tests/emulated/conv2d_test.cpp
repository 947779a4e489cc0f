#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/emulated/conv2d_problem.hpp"
#include "tests/emulated/orders.hpp"

using namespace bsg;
using namespace bsg::test;
using kernels::Conv2dShape;

namespace {

constexpr ConvPrecision kPrecisions[] = {ConvPrecision::f32, ConvPrecision::tf32, ConvPrecision::bf16};

const std::vector<Conv2dShape> kShapes = {
    // batch, channels, height, width, outputs, kernel, stride, padding, dilation
    {1, 1, 1, 1, 1, 1, 1, 1, 0, 1},
    {2, 3, 8, 8, 16, 3, 3, 1, 1, 1},
    {2, 17, 7, 5, 5, 3, 3, 1, 1, 1},
    {3, 8, 7, 7, 24, 3, 3, 2, 1, 1},
    {1, 66, 6, 6, 70, 3, 3, 1, 1, 1},
    {2, 5, 9, 9, 6, 3, 3, 1, 2, 2},
    {2, 16, 6, 6, 8, 1, 1, 2, 0, 1},
    {1, 4, 5, 4, 3, 2, 3, 1, 0, 1},
    {9, 3, 16, 16, 4, 3, 3, 1, 1, 1},  // more than one part of the weight's gradient
    // Channels in whole pieces of 16 bytes, on one side or both.
    {1, 8, 1, 1, 8, 1, 1, 1, 0, 1},
    {3, 16, 9, 7, 16, 3, 3, 1, 1, 1},
    {2, 24, 7, 9, 40, 3, 3, 2, 1, 1},
    {1, 40, 6, 5, 24, 3, 3, 3, 1, 1},
    {2, 32, 6, 6, 64, 1, 1, 2, 0, 1},
    {1, 72, 5, 5, 72, 3, 3, 1, 2, 2},
    {2, 8, 9, 8, 16, 3, 2, 2, 2, 2},
    {1, 8, 11, 11, 8, 5, 5, 4, 2, 3},
    {2, 4, 6, 7, 4, 3, 3, 1, 1, 1},
    {2, 8, 6, 7, 10, 3, 3, 1, 1, 1},
    {1, 8, 9, 9, 8, 3, 3, 5, 1, 1},
    {5, 16, 16, 16, 16, 3, 3, 1, 1, 1},
    {1, 8, 3, 3, 8, 3, 3, 1, 0, 1},
};

}  // namespace

TEST_CASE("device convolution: every pass agrees with loops in double") {
  std::uint64_t seed = 1;
  for (const Conv2dShape& shape : kShapes)
    for (const ConvPrecision precision : kPrecisions)
      for (const ConvGates gates : {ConvGates::none, ConvGates::both}) {
        const ConvolutionProblem problem = random_convolution(shape, precision, gates, 0.5, seed++);
        const ConvolutionPasses<double> exact = exact_convolution(problem);
        const ConvolutionPasses<float> naive = naive_convolution(problem);
        ConvolutionPasses<float> first;
        for_each_order([&](std::string_view order) {
          INFO(problem.str() << ", " << order);
          const ConvolutionPasses<float> got = device_convolution(problem);
          check_passes(problem, got, naive, exact);
          if (first.y.empty()) first = got;
          CHECK(got.y == first.y);
          CHECK(got.dx == first.dx);
          CHECK(got.dweight == first.dweight);
          CHECK(got.dbias == first.dbias);
        });
      }
}

TEST_CASE("device convolution: tiles of 64 columns, taken where they are many") {
  for (const ConvPrecision precision : {ConvPrecision::tf32, ConvPrecision::bf16}) {
    const ConvolutionProblem problem =
        random_convolution({33, 40, 32, 32, 40, 1, 1, 1, 0, 1}, precision, ConvGates::none, 1, 5);
    INFO(problem.str());
    check_passes(problem, device_convolution(problem), naive_convolution(problem), exact_convolution(problem));
  }
}

TEST_CASE("device convolution: floats are rounded to tf32 where the launch allows it, and nowhere else") {
  ConvolutionProblem problem =
      random_convolution({1, 16, 5, 5, 16, 3, 3, 1, 1, 1}, ConvPrecision::f32, ConvGates::none, 1, 5);
  const float below = 1 + 0x1p-12F;  // 1 in tf32
  for (std::vector<float>* values : {&problem.x, &problem.weight, &problem.dy}) values->assign(values->size(), below);
  const ConvolutionPasses<float> full = device_convolution(problem);
  problem.precision = ConvPrecision::tf32;
  const ConvolutionPasses<float> rounded = device_convolution(problem);
  const float bias = problem.bias[8];
  CHECK(rounded.y[static_cast<std::size_t>(problem.y_at(0, 2, 2, 8))] == 144 + bias);
  CHECK(full.y[static_cast<std::size_t>(problem.y_at(0, 2, 2, 8))] > 144.05F + bias);
  CHECK(rounded.dx[static_cast<std::size_t>(problem.x_at(0, 2, 2, 8))] == 144);
  CHECK(full.dx[static_cast<std::size_t>(problem.x_at(0, 2, 2, 8))] > 144.05F);
  CHECK(rounded.dweight[static_cast<std::size_t>(problem.weight_at(8, 1, 1, 8))] == 25);
  CHECK(full.dweight[static_cast<std::size_t>(problem.weight_at(8, 1, 1, 8))] > 25.01F);
}

TEST_CASE("device convolution: gradients are added to what is there") {
  for (const ConvPrecision precision : kPrecisions) {
    const ConvolutionProblem problem = random_convolution(kShapes[2], precision, ConvGates::none, 1, 7);
    INFO(problem.str());
    const ConvolutionPasses<float> once = device_convolution(problem), twice = device_convolution(problem, &once);
    // dx was rounded before it was added to in bf16, and its sum is rounded again.
    const double rounding = precision == ConvPrecision::bf16 ? 0x1p-8 : 0;
    for (std::size_t i = 0; i < once.dx.size(); ++i)
      CHECK(std::abs(twice.dx[i] - 2 * once.dx[i]) <= 2 * rounding * std::abs(once.dx[i]));
    for (std::size_t i = 0; i < once.dweight.size(); ++i)
      CHECK(twice.dweight[i] == Approx(2 * once.dweight[i]).margin(1e-5));
    for (std::size_t i = 0; i < once.dbias.size(); ++i) CHECK(twice.dbias[i] == 2 * once.dbias[i]);
  }
}

TEST_CASE("device convolution: gates all on are no gates, all off leave zeros", "[small]") {
  ConvolutionProblem problem = random_convolution(kShapes[3], ConvPrecision::f32, ConvGates::none, 1, 3);
  const ConvolutionPasses<float> dense = device_convolution(problem);
  problem.input_gate.assign(static_cast<std::size_t>(problem.shape.batch * problem.shape.channels), 1);
  problem.output_gate.assign(static_cast<std::size_t>(problem.shape.batch * problem.shape.outputs), 1);
  const ConvolutionPasses<float> all_on = device_convolution(problem);
  CHECK(all_on.y == dense.y);
  CHECK(all_on.dx == dense.dx);
  CHECK(all_on.dweight == dense.dweight);
  problem.output_gate.assign(problem.output_gate.size(), 0);
  const ConvolutionPasses<float> all_off = device_convolution(problem);
  for (const std::vector<float>& values : {all_off.y, all_off.dx, all_off.dweight})
    CHECK(std::all_of(values.begin(), values.end(), [](float v) { return v == 0; }));
}

TEST_CASE("device convolution: what a gate switches off is not read") {
  for (const ConvPrecision precision : kPrecisions) {
    ConvolutionProblem problem = random_convolution(kShapes[3], precision, ConvGates::both, 0.5, 11);
    INFO(problem.str());
    const Conv2dShape& s = problem.shape;
    const float nan = std::numeric_limits<float>::quiet_NaN();
    for (std::int64_t n = 0; n < s.batch; ++n) {
      for (std::int64_t c = 0; c < s.channels; ++c)
        if (!ConvolutionProblem::on(problem.input_gate, n, s.channels, c))
          for (std::int64_t i = 0; i < s.height; ++i)
            for (std::int64_t j = 0; j < s.width; ++j)
              problem.x[static_cast<std::size_t>(problem.x_at(n, i, j, c))] = nan;
      for (std::int64_t k = 0; k < s.outputs; ++k)
        if (!ConvolutionProblem::on(problem.output_gate, n, s.outputs, k))
          for (std::int64_t i = 0; i < s.out_height(); ++i)
            for (std::int64_t j = 0; j < s.out_width(); ++j)
              problem.dy[static_cast<std::size_t>(problem.y_at(n, i, j, k))] = nan;
    }
    const ConvolutionPasses<float> got = device_convolution(problem);
    for (const std::vector<float>& values : {got.y, got.dx, got.dweight})
      CHECK(std::none_of(values.begin(), values.end(), [](float v) { return std::isnan(v); }));
  }
}

TEST_CASE("device convolution: an empty batch clears the parameters' gradients") {
  Conv2dShape shape = kShapes[1];
  shape.batch = 0;
  for (const ConvPrecision precision : kPrecisions) {
    const ConvolutionPasses<float> got =
        device_convolution(random_convolution(shape, precision, ConvGates::none, 1, 1));
    CHECK(got.y.empty());
    CHECK(std::all_of(got.dweight.begin(), got.dweight.end(), [](float v) { return v == 0; }));
    CHECK(std::all_of(got.dbias.begin(), got.dbias.end(), [](float v) { return v == 0; }));
  }
}
