// The gate on the device: what decides a sample's channels, in inference and in training, and the mask that the
// convolutions read. All float.
#pragma once

#include <cstdint>

#include "kernels/common/launch.hpp"
#include "kernels/gate/gate_mask.hpp"

namespace bsg::kernels::device {

// FC (inputs -> hidden) with the batch norm behind it folded in, ReLU, FC (hidden -> outputs). Weights lie with the
// outputs side by side, as in kernels/gate/gate.hpp.
struct GateLayers {
  static constexpr std::int64_t kMaxUnits = 32768;  // inputs + hidden, which a block keeps in shared memory

  std::int64_t inputs = 0, hidden = 0, outputs = 0;
  const float* weight1 = nullptr;  // [inputs][hidden]
  const float* bias1 = nullptr;    // [hidden]
  const float* weight2 = nullptr;  // [hidden][outputs]
  const float* bias2 = nullptr;    // [outputs]
};

// The global average pool that a gate reads, as its producer left it: value[n, c] = factor * sum over t, ascending, of
// sums[n][t][c]. A pooled tensor [samples, channels] is one tile with factor 1.
struct PooledSums {
  const float* sums = nullptr;
  std::int64_t tiles = 1;
  double factor = 1;
};

// What a gate tells beside its mask. Null: not wanted.
struct GateReport {
  float* logits = nullptr;        // [batch][outputs]
  std::int32_t* open = nullptr;   // [batch] at steps of open_pitch: how many channels are on
  std::uint8_t* gates = nullptr;  // [batch][outputs], rows gates_pitch apart: 0 or 1
  std::int64_t open_pitch = 0, gates_pitch = 0;
};

// Writes all of mask [mask.batch][layers.outputs]: a channel is on where its logit > 0, so a NaN is off. One launch, a
// block a sample, nothing read by the host. The same bits in every run. layers.outputs == mask.channels.
void infer_gates(const Launch& launch, const PooledSums& pooled, const GateLayers& layers, const GateMask& mask,
                 const GateReport& report = {});

// means [batch][channels]: what a classifier reads.
void pooled_means(const Launch& launch, const PooledSums& pooled, std::int64_t batch, std::int64_t channels,
                  float* means);

// mask from values [batch][channels]: on where value > 0.
void list_gates(const Launch& launch, const float* values, const GateMask& mask);

// The binary concrete distribution with the straight-through gradient: y = (logit + noise * (log u - log(1 - u))) /
// temperature.
struct BinaryConcrete {
  double temperature = 2.0 / 3;
  double noise = 1;  // 0: none
  // u of element i is number first + i of this stream (kernels/random/philox.hpp), as on the CPU.
  std::uint64_t seed = 0, stream = 0, first = 0;
};

// logits [batch][channels] -> gate = 1[y > 0], slope = s (1 - s) / temperature with s = sigmoid(y): the factor of the
// gradient, dlogits = dgate * slope (multiply of elementwise_device.hpp). mask, or null: written too. y is computed in
// double, so that a gate near 0 falls to the side where the CPU has it.
void binary_concrete(const Launch& launch, std::int64_t batch, std::int64_t channels, const float* logits,
                     const BinaryConcrete& distribution, float* gate, float* slope, const GateMask* mask);

}  // namespace bsg::kernels::device
