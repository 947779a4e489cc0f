#include "tests/emulated/conv2d_problem.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "kernels/conv2d/conv2d_device.hpp"

namespace bsg::test {
namespace {

// The definition, in T.
template <class T>
ConvolutionPasses<T> by_loops(const ConvolutionProblem& p) {
  const kernels::Conv2dShape& s = p.shape;
  ConvolutionPasses<T> out{std::vector<T>(p.dy.size()), std::vector<T>(p.x.size()), std::vector<T>(p.weight.size()),
                           std::vector<T>(p.bias.size())};
  for (std::int64_t n = 0; n < s.batch; ++n)
    for (std::int64_t i = 0; i < s.out_height(); ++i)
      for (std::int64_t j = 0; j < s.out_width(); ++j)
        for (std::int64_t k = 0; k < s.outputs; ++k) {
          const auto at = static_cast<std::size_t>(p.y_at(n, i, j, k));
          const T dy = static_cast<T>(p.dy[at]);
          out.dbias[static_cast<std::size_t>(k)] += dy;
          if (!ConvolutionProblem::on(p.output_gate, n, s.outputs, k)) continue;
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
                if (!ConvolutionProblem::on(p.input_gate, n, s.channels, c)) continue;
                sum += static_cast<T>(p.weight[w]) * static_cast<T>(p.x[v]);
                out.dweight[w] += static_cast<T>(p.x[v]) * dy;
              }
            }
          out.y[at] = sum + static_cast<T>(p.bias[static_cast<std::size_t>(k)]);
        }
  return out;
}

void round_to_bf16(std::vector<float>& values) {
  for (float& value : values) value = simt::to_float(simt::to_bfloat16(value));
}

template <class T>
ConvolutionPasses<float> run(const ConvolutionProblem& p, const ConvolutionPasses<float>* added_to) {
  const kernels::Conv2dShape& s = p.shape;
  const kernels::Launch launch{.tf32 = p.precision == ConvPrecision::tf32};
  const simt::DeviceArray<T> x(narrowed<T>(p.x)), weight(narrowed<T>(p.weight)), dy(narrowed<T>(p.dy));
  const simt::DeviceArray<float> bias(p.bias), input_gate(p.input_gate), output_gate(p.output_gate);
  const bool accumulate = added_to != nullptr;
  simt::DeviceArray<T> y(p.dy.size()), dx(p.x.size());
  simt::DeviceArray<float> dweight(p.weight.size()), dbias(p.bias.size());
  if (accumulate) {
    dx.assign(narrowed<T>(added_to->dx));
    dweight.assign(added_to->dweight);
    dbias.assign(added_to->dbias);
  }
  simt::DeviceArray<float> workspace(static_cast<std::size_t>(kernels::device::conv2d_weight_gradient_workspace(s)));
  const float* const in = p.input_gate.empty() ? nullptr : input_gate.data();
  const float* const out = p.output_gate.empty() ? nullptr : output_gate.data();
  kernels::device::conv2d_forward(launch, s, x.data(), weight.data(), bias.data(), in, out, y.data());
  kernels::device::conv2d_backward_input(launch, s, weight.data(), dy.data(), out, dx.data(), accumulate);
  kernels::device::conv2d_backward_weight(launch, s, x.data(), dy.data(), in, out, dweight.data(), accumulate,
                                          workspace.data());
  kernels::device::conv2d_backward_bias(launch, s, dy.data(), dbias.data(), accumulate);
  return {widened(y.to_host()), widened(dx.to_host()), dweight.to_host(), dbias.to_host()};
}

double largest_error(const std::vector<float>& a, const std::vector<double>& exact) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!std::isfinite(a[i])) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, std::abs(static_cast<double>(a[i]) - exact[i]));
  }
  return largest;
}

// A result that is rounded once is as good as it gets, also where the naive loops happen to be exact.
void check_elements(const char* what, const std::vector<float>& got, const std::vector<float>& naive,
                    const std::vector<double>& exact, double rounding, std::int64_t products) {
  INFO(what);
  REQUIRE(got.size() == exact.size());
  double size = 0;
  for (const double value : exact) size = std::max(size, std::abs(value));
  CHECK(largest_error(got, exact) <=
        std::max({2 * largest_error(naive, exact), 2 * size * rounding, size * cut_off(products)}));
}

}  // namespace

std::string_view name_of(ConvPrecision precision) {
  switch (precision) {
    case ConvPrecision::f32:
      return "f32";
    case ConvPrecision::tf32:
      return "tf32";
    case ConvPrecision::bf16:
      return "bf16";
  }
  return "";
}

std::string ConvolutionProblem::str() const {
  return fmt::format("{}, N {} C {} {}x{} K {} kernel {}x{} stride {} padding {} dilation {}", name_of(precision),
                     shape.batch, shape.channels, shape.height, shape.width, shape.outputs, shape.kernel_height,
                     shape.kernel_width, shape.stride, shape.padding, shape.dilation);
}

ConvolutionProblem random_convolution(const kernels::Conv2dShape& shape, ConvPrecision precision, ConvGates gates,
                                      double density, std::uint64_t seed) {
  Numbers random(seed);
  ConvolutionProblem p{shape, precision, {}, {}, {}, {}, {}, {}};
  p.x = random.normals(shape.batch * shape.height * shape.width * shape.channels);
  p.weight = random.normals(shape.weights());
  p.bias = random.normals(shape.outputs);
  p.dy = random.normals(shape.batch * shape.out_height() * shape.out_width() * shape.outputs);
  if (precision == ConvPrecision::bf16)
    for (std::vector<float>* values : {&p.x, &p.weight, &p.dy}) round_to_bf16(*values);
  const auto gate = [&](std::int64_t channels) {
    std::vector<float> values(static_cast<std::size_t>(shape.batch * channels));
    for (float& value : values) value = random.uniform() < static_cast<float>(density) ? 1.0F : 0.0F;
    return values;
  };
  if (gates == ConvGates::input || gates == ConvGates::both) p.input_gate = gate(shape.channels);
  if (gates == ConvGates::output || gates == ConvGates::both) p.output_gate = gate(shape.outputs);
  return p;
}

ConvolutionPasses<double> exact_convolution(const ConvolutionProblem& problem) { return by_loops<double>(problem); }

ConvolutionPasses<float> naive_convolution(const ConvolutionProblem& problem) {
  if (problem.precision == ConvPrecision::tf32) {
    ConvolutionProblem rounded = problem;
    for (std::vector<float>* values : {&rounded.x, &rounded.weight, &rounded.dy})
      for (float& value : *values) value = simt::float_of(simt::to_tf32(value));
    ConvolutionPasses<float> passes = by_loops<float>(rounded);
    passes.dbias = by_loops<float>(problem).dbias;  // sums, not products
    return passes;
  }
  ConvolutionPasses<float> passes = by_loops<float>(problem);
  if (problem.precision == ConvPrecision::bf16) {
    round_to_bf16(passes.y);
    round_to_bf16(passes.dx);
  }
  return passes;
}

ConvolutionPasses<float> device_convolution(const ConvolutionProblem& problem,
                                            const ConvolutionPasses<float>* added_to) {
  return problem.precision == ConvPrecision::bf16 ? run<simt::bfloat16>(problem, added_to)
                                                  : run<float>(problem, added_to);
}

void check_passes(const ConvolutionProblem& problem, const ConvolutionPasses<float>& got,
                  const ConvolutionPasses<float>& naive, const ConvolutionPasses<double>& exact) {
  const double rounding = problem.precision == ConvPrecision::bf16 ? 0x1p-9 : 0x1p-24;
  // Products of matrices behind each sum, 8 or 16 elements deep.
  const kernels::Conv2dShape& s = problem.shape;
  const auto products = [&](std::int64_t depth) {
    return problem.precision == ConvPrecision::f32 ? 0
                                                   : depth / (problem.precision == ConvPrecision::bf16 ? 16 : 8) + 1;
  };
  check_elements("y", got.y, naive.y, exact.y, rounding, products(s.taps() * s.channels));
  check_elements("dx", got.dx, naive.dx, exact.dx, rounding, products(s.taps() * s.outputs));
  check_elements("dweight", got.dweight, naive.dweight, exact.dweight, 0x1p-24,
                 products(s.batch * s.out_height() * s.out_width()));
  check_elements("dbias", got.dbias, naive.dbias, exact.dbias, 0x1p-24, 0);
}

}  // namespace bsg::test
