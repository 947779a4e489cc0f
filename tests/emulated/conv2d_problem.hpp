// Convolutions on the device to test, what they should give, and what the kernels give.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/conv2d/conv2d.hpp"
#include "tests/emulated/close.hpp"

namespace bsg::test {

// What is multiplied: floats, floats that may be rounded to tf32, or bfloat16.
enum class ConvPrecision { f32, tf32, bf16 };
std::string_view name_of(ConvPrecision precision);

// All four arrays of a convolution, channels last, and its gates (empty: none). With bf16 the values are such that
// bfloat16 holds them.
struct ConvolutionProblem {
  kernels::Conv2dShape shape;
  ConvPrecision precision = ConvPrecision::f32;
  std::vector<float> x, weight, bias, dy, input_gate, output_gate;

  std::int64_t x_at(std::int64_t n, std::int64_t i, std::int64_t j, std::int64_t c) const {
    return ((n * shape.height + i) * shape.width + j) * shape.channels + c;
  }
  std::int64_t y_at(std::int64_t n, std::int64_t i, std::int64_t j, std::int64_t k) const {
    return ((n * shape.out_height() + i) * shape.out_width() + j) * shape.outputs + k;
  }
  std::int64_t weight_at(std::int64_t k, std::int64_t r, std::int64_t s, std::int64_t c) const {
    return ((k * shape.kernel_height + r) * shape.kernel_width + s) * shape.channels + c;
  }
  // Whether a gate of [N, count], if there is one, is open.
  static bool on(const std::vector<float>& gate, std::int64_t sample, std::int64_t count, std::int64_t channel) {
    return gate.empty() || gate[static_cast<std::size_t>(sample * count + channel)] != 0;
  }
  // Names the shape and the precision in messages.
  std::string str() const;
};

enum class ConvGates { none, input, output, both };
ConvolutionProblem random_convolution(const kernels::Conv2dShape& shape, ConvPrecision precision, ConvGates gates,
                                      double density, std::uint64_t seed);

template <class T>
struct ConvolutionPasses {
  std::vector<T> y, dx, dweight, dbias;
};

// The definition in double.
ConvolutionPasses<double> exact_convolution(const ConvolutionProblem& problem);
// Plain loops in float, on operands and with results of the problem's precision.
ConvolutionPasses<float> naive_convolution(const ConvolutionProblem& problem);
// By the kernels; gradients are added to `added_to` where that is given.
ConvolutionPasses<float> device_convolution(const ConvolutionProblem& problem,
                                            const ConvolutionPasses<float>* added_to = nullptr);

// Each element is at most twice as far from the exact result as the naive result's worst is.
void check_passes(const ConvolutionProblem& problem, const ConvolutionPasses<float>& got,
                  const ConvolutionPasses<float>& naive, const ConvolutionPasses<double>& exact);

}  // namespace bsg::test
