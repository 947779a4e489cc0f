// A gated convolution on the device with everything that it works on, and what it must give, by plain loops.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/gated_conv/gated_conv_device.hpp"
#include "kernels/simt/runtime.hpp"

namespace bsg::test {

// Which channels of a batch are on.
struct Gates {
  std::int64_t channels = 0;
  std::vector<std::vector<std::uint16_t>> lists;  // by sample, ascending

  bool on(std::size_t sample, std::int64_t channel) const;
  bool ever_on(std::int64_t channel) const;  // in any sample
};

enum class Open { all, none, one, last, half, tenth, varied };  // varied: none, all, half, one, ... sample by sample
Gates draw_gates(Open open, std::int64_t batch, std::int64_t channels, std::uint64_t seed);

// A GateMask whose lists hold channels that do not exist behind the last open one.
class DeviceGates {
 public:
  explicit DeviceGates(const Gates& gates);
  kernels::device::GateMask mask() const { return mask_; }

 private:
  simt::DeviceArray<std::uint16_t> list_;
  simt::DeviceArray<std::int32_t> count_;
  simt::DeviceArray<std::uint32_t> bits_;
  kernels::device::GateMask mask_;
};

struct ConvCase {
  std::string name;
  std::int64_t batch, height, width, inputs, outputs;
  kernels::ConvWindow window;
  Open open_inputs = Open::half, open_outputs = Open::half;
  std::int64_t more_pitch = 0;  // of activations, beyond the channels
  std::int64_t offset = 0;      // elements from a multiple of 16 bytes to the activations
};

// What follows the products.
struct Finish {
  bool scale = true, bias = true, residual = true, relu = true;
};

// Values as the device stores them, rounded; in tensors [n][h][w][c] without gaps.
struct ConvProblem {
  ConvCase c;
  kernels::device::ConvPlan plan;
  Gates inputs, outputs;  // all on where not gated
  // Given to a plan without gated sides: what the results are multiplied by.
  std::optional<Gates> multiplied_by = {};
  std::vector<float> x, weight, scale, bias, residual;

  // NaN lies in every weight, scale, bias and residual of a channel that is off (in all samples, where samples share
  // it).
  ConvProblem(const ConvCase& of, kernels::device::ConvCompute compute, kernels::device::GatedSides sides);

  bool gates_inputs() const;
  bool gates_outputs() const;

  // y[n][i][j][k], zeros where k is off; products are added up in S, in the order of definition.
  template <class S>
  std::vector<double> by_definition(const Finish& finish) const;
};

struct ConvResult {
  std::vector<float> y;     // [n][i][j][k], zeros where k is off
  std::vector<float> sums;  // [n][part][k]; empty where outputs are gated
};

// Runs the problem on the device. Checks that nothing was written that must not be: what lies between rows, and behind
// compacted channels and their zeros.
ConvResult run(const ConvProblem& problem, const Finish& finish, kernels::device::GatedStore store);

// A value as `compute` stores activations (rounded = false) or multiplies them (true).
float stored(kernels::device::ConvCompute compute, float value);
float multiplied(kernels::device::ConvCompute compute, float value);

}  // namespace bsg::test
