#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "kernels/conv2d/conv2d_device.hpp"
#include "kernels/simt/runtime.hpp"
#include "tests/emulated/orders.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;
using kernels::Conv2dShape;

namespace {

using Values = std::vector<float>;

// All four arrays of a convolution, channels last, and its gates (empty: none).
struct Problem {
  Conv2dShape shape;
  Values x, weight, bias, dy, input_gate, output_gate;

  std::int64_t x_at(std::int64_t n, std::int64_t i, std::int64_t j, std::int64_t c) const {
    return ((n * shape.height + i) * shape.width + j) * shape.channels + c;
  }
  std::int64_t y_at(std::int64_t n, std::int64_t i, std::int64_t j, std::int64_t k) const {
    return ((n * shape.out_height() + i) * shape.out_width() + j) * shape.outputs + k;
  }
  std::int64_t weight_at(std::int64_t k, std::int64_t r, std::int64_t s, std::int64_t c) const {
    return ((k * shape.kernel_height + r) * shape.kernel_width + s) * shape.channels + c;
  }
  static bool on(const Values& gate, std::int64_t sample, std::int64_t count, std::int64_t channel) {
    return gate.empty() || gate[static_cast<std::size_t>(sample * count + channel)] != 0;
  }
};

Values random_values(std::mt19937& random, std::int64_t count) {
  std::normal_distribution<float> normal;
  Values values(static_cast<std::size_t>(count));
  std::generate(values.begin(), values.end(), [&] { return normal(random); });
  return values;
}

Values random_gate(std::mt19937& random, std::int64_t count, double density) {
  std::bernoulli_distribution on(density);
  Values values(static_cast<std::size_t>(count));
  std::generate(values.begin(), values.end(), [&] { return on(random) ? 1.0F : 0.0F; });
  return values;
}

enum class Gates { none, input, output, both };

Problem random_problem(const Conv2dShape& shape, Gates gates, double density, unsigned seed) {
  std::mt19937 random(seed);
  Problem p{shape, {}, {}, {}, {}, {}, {}};
  p.x = random_values(random, shape.batch * shape.height * shape.width * shape.channels);
  p.weight = random_values(random, shape.weights());
  p.bias = random_values(random, shape.outputs);
  p.dy = random_values(random, shape.batch * shape.out_height() * shape.out_width() * shape.outputs);
  if (gates == Gates::input || gates == Gates::both)
    p.input_gate = random_gate(random, shape.batch * shape.channels, density);
  if (gates == Gates::output || gates == Gates::both)
    p.output_gate = random_gate(random, shape.batch * shape.outputs, density);
  return p;
}

template <class T>
struct Passes {
  std::vector<T> y, dx, dweight, dbias;
};

// The definition, in T.
template <class T>
Passes<T> by_loops(const Problem& p) {
  const Conv2dShape& s = p.shape;
  Passes<T> out{std::vector<T>(p.dy.size()), std::vector<T>(p.x.size()), std::vector<T>(p.weight.size()),
                std::vector<T>(p.bias.size())};
  for (std::int64_t n = 0; n < s.batch; ++n)
    for (std::int64_t i = 0; i < s.out_height(); ++i)
      for (std::int64_t j = 0; j < s.out_width(); ++j)
        for (std::int64_t k = 0; k < s.outputs; ++k) {
          const auto at = static_cast<std::size_t>(p.y_at(n, i, j, k));
          const T dy = static_cast<T>(p.dy[at]);
          out.dbias[static_cast<std::size_t>(k)] += dy;
          if (!Problem::on(p.output_gate, n, s.outputs, k)) continue;
          T sum = 0;
          for (std::int64_t r = 0; r < s.kernel_height; ++r)
            for (std::int64_t q = 0; q < s.kernel_width; ++q) {
              const std::int64_t row = i * s.stride + r * s.dilation - s.padding;
              const std::int64_t column = j * s.stride + q * s.dilation - s.padding;
              if (row < 0 || row >= s.height || column < 0 || column >= s.width) continue;
              for (std::int64_t c = 0; c < s.channels; ++c) {
                const auto w = static_cast<std::size_t>(p.weight_at(k, r, q, c));
                const auto v = static_cast<std::size_t>(p.x_at(n, row, column, c));
                out.dx[v] += static_cast<T>(p.weight[w]) * dy;
                if (!Problem::on(p.input_gate, n, s.channels, c)) continue;
                sum += static_cast<T>(p.weight[w]) * static_cast<T>(p.x[v]);
                out.dweight[w] += static_cast<T>(p.x[v]) * dy;
              }
            }
          out.y[at] = sum + static_cast<T>(p.bias[static_cast<std::size_t>(k)]);
        }
  return out;
}

Passes<float> by_kernels(const Problem& p, const Passes<float>* added_to = nullptr) {
  const Conv2dShape& s = p.shape;
  const kernels::Launch launch;
  const simt::DeviceArray<float> x(p.x), weight(p.weight), bias(p.bias), dy(p.dy), input_gate(p.input_gate),
      output_gate(p.output_gate);
  const auto gradient = [&](std::size_t size, const Values* start) {
    return start != nullptr ? simt::DeviceArray<float>(*start) : simt::DeviceArray<float>(size);
  };
  const bool accumulate = added_to != nullptr;
  simt::DeviceArray<float> y(p.dy.size()),
      dx = gradient(p.x.size(), accumulate ? &added_to->dx : nullptr),
      dweight = gradient(p.weight.size(), accumulate ? &added_to->dweight : nullptr),
      dbias = gradient(p.bias.size(), accumulate ? &added_to->dbias : nullptr);
  simt::DeviceArray<float> workspace(static_cast<std::size_t>(kernels::device::conv2d_weight_gradient_workspace(s)));
  const float* const in = p.input_gate.empty() ? nullptr : input_gate.data();
  const float* const out = p.output_gate.empty() ? nullptr : output_gate.data();
  kernels::device::conv2d_forward(launch, s, x.data(), weight.data(), bias.data(), in, out, y.data());
  kernels::device::conv2d_backward_input(launch, s, weight.data(), dy.data(), out, dx.data(), accumulate);
  kernels::device::conv2d_backward_weight(launch, s, x.data(), dy.data(), in, out, dweight.data(), accumulate,
                                          workspace.data());
  kernels::device::conv2d_backward_bias(launch, s, dy.data(), dbias.data(), accumulate);
  return {y.to_host(), dx.to_host(), dweight.to_host(), dbias.to_host()};
}

template <class A>
double largest_error(const std::vector<A>& a, const std::vector<double>& exact) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!std::isfinite(static_cast<double>(a[i]))) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, std::abs(static_cast<double>(a[i]) - exact[i]));
  }
  return largest;
}

// At most twice as far from the double result as plain float loops are; floats of this size step by 1e-7 of it.
void check_close(const char* what, const Values& got, const Values& plain, const std::vector<double>& exact) {
  INFO(what);
  double size = 0;
  for (const double value : exact) size = std::max(size, std::abs(value));
  CHECK(largest_error(got, exact) <= 2 * std::max(largest_error(plain, exact), size * 0x1p-24));
}

std::string name(const Conv2dShape& s) {
  return fmt::format("N {} C {} {}x{} K {} kernel {}x{} stride {} padding {} dilation {}", s.batch, s.channels,
                     s.height, s.width, s.outputs, s.kernel_height, s.kernel_width, s.stride, s.padding, s.dilation);
}

const std::vector<Conv2dShape> kShapes = {
    // batch, channels, height, width, outputs, kernel, stride, padding, dilation
    {1, 1, 1, 1, 1, 1, 1, 1, 0, 1},   {2, 3, 8, 8, 16, 3, 3, 1, 1, 1},
    {2, 17, 7, 5, 5, 3, 3, 1, 1, 1},  {3, 8, 7, 7, 24, 3, 3, 2, 1, 1},
    {1, 66, 6, 6, 70, 3, 3, 1, 1, 1}, {2, 5, 9, 9, 6, 3, 3, 1, 2, 2},
    {2, 16, 6, 6, 8, 1, 1, 2, 0, 1},  {1, 4, 5, 4, 3, 2, 3, 1, 0, 1},
    {9, 3, 16, 16, 4, 3, 3, 1, 1, 1},  // more than one part of the weight's gradient
};

}  // namespace

TEST_CASE("device convolution: every pass agrees with loops in double") {
  unsigned seed = 1;
  for (const Conv2dShape& shape : kShapes)
    for (const Gates gates : {Gates::none, Gates::both}) {
      const Problem problem = random_problem(shape, gates, 0.5, seed++);
      const Passes<double> exact = by_loops<double>(problem);
      const Passes<float> plain = by_loops<float>(problem);
      Passes<float> first;
      test::for_each_order([&](std::string_view order) {
        INFO(name(shape) << ", " << order);
        const Passes<float> got = by_kernels(problem);
        check_close("y", got.y, plain.y, exact.y);
        check_close("dx", got.dx, plain.dx, exact.dx);
        check_close("dweight", got.dweight, plain.dweight, exact.dweight);
        check_close("dbias", got.dbias, plain.dbias, exact.dbias);
        if (first.y.empty()) first = got;
        CHECK(got.y == first.y);
        CHECK(got.dx == first.dx);
        CHECK(got.dweight == first.dweight);
        CHECK(got.dbias == first.dbias);
      });
    }
}

TEST_CASE("device convolution: gradients are added to what is there") {
  const Problem problem = random_problem(kShapes[2], Gates::none, 1, 7);
  const Passes<float> once = by_kernels(problem), twice = by_kernels(problem, &once);
  for (std::size_t i = 0; i < once.dx.size(); ++i) CHECK(twice.dx[i] == 2 * once.dx[i]);
  for (std::size_t i = 0; i < once.dweight.size(); ++i)
    CHECK(twice.dweight[i] == Approx(2 * once.dweight[i]).margin(1e-5));
  for (std::size_t i = 0; i < once.dbias.size(); ++i) CHECK(twice.dbias[i] == 2 * once.dbias[i]);
}

TEST_CASE("device convolution: gates all on are no gates, all off leave zeros") {
  Problem problem = random_problem(kShapes[3], Gates::none, 1, 3);
  const Passes<float> dense = by_kernels(problem);
  problem.input_gate.assign(static_cast<std::size_t>(problem.shape.batch * problem.shape.channels), 1);
  problem.output_gate.assign(static_cast<std::size_t>(problem.shape.batch * problem.shape.outputs), 1);
  const Passes<float> all_on = by_kernels(problem);
  CHECK(all_on.y == dense.y);
  CHECK(all_on.dx == dense.dx);
  CHECK(all_on.dweight == dense.dweight);
  problem.output_gate.assign(problem.output_gate.size(), 0);
  const Passes<float> all_off = by_kernels(problem);
  for (const Values& values : {all_off.y, all_off.dx, all_off.dweight})
    CHECK(std::all_of(values.begin(), values.end(), [](float v) { return v == 0; }));
}

TEST_CASE("device convolution: what a gate switches off is not read") {
  Problem problem = random_problem(kShapes[3], Gates::both, 0.5, 11);
  const Conv2dShape& s = problem.shape;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (std::int64_t n = 0; n < s.batch; ++n) {
    for (std::int64_t c = 0; c < s.channels; ++c)
      if (!Problem::on(problem.input_gate, n, s.channels, c))
        for (std::int64_t i = 0; i < s.height; ++i)
          for (std::int64_t j = 0; j < s.width; ++j)
            problem.x[static_cast<std::size_t>(problem.x_at(n, i, j, c))] = nan;
    for (std::int64_t k = 0; k < s.outputs; ++k)
      if (!Problem::on(problem.output_gate, n, s.outputs, k))
        for (std::int64_t i = 0; i < s.out_height(); ++i)
          for (std::int64_t j = 0; j < s.out_width(); ++j)
            problem.dy[static_cast<std::size_t>(problem.y_at(n, i, j, k))] = nan;
  }
  const Passes<float> got = by_kernels(problem);
  for (const Values& values : {got.y, got.dx, got.dweight})
    CHECK(std::none_of(values.begin(), values.end(), [](float v) { return std::isnan(v); }));
}

TEST_CASE("device convolution: an empty batch clears the parameters' gradients") {
  Conv2dShape shape = kShapes[1];
  shape.batch = 0;
  const Passes<float> got = by_kernels(random_problem(shape, Gates::none, 1, 1));
  CHECK(got.y.empty());
  CHECK(std::all_of(got.dweight.begin(), got.dweight.end(), [](float v) { return v == 0; }));
  CHECK(std::all_of(got.dbias.begin(), got.dbias.end(), [](float v) { return v == 0; }));
}
