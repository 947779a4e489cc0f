// What the device's multiply-add units can do: products in registers, nothing read and next to nothing written. The
// yardstick of benchmarks.
#pragma once

#include <cstdint>

#include "kernels/common/launch.hpp"
#include "kernels/gated_conv/gated_conv_device.hpp"

namespace bsg::kernels::device {

// Independent chains of multiply-adds, `steps` in each: fused ones of f32 (fp32), or mma.sync on tensor cores, what
// this project's kernels use (tf32, bf16; Hopper's wgmma goes beyond). A chain starts at its number and goes on by x ->
// x / 2
// + 1 (fp32), or adds 8 (tf32) or 16 (bf16), the products of ones, to every element.
struct PeakRun {
  static constexpr std::int64_t kThreads = 256, kChains = 8;

  ConvCompute compute = ConvCompute::fp32;
  std::int64_t blocks = 0, steps = 0;

  // Multiply-accumulates of the run. A warp's mma.m16n8k16 (bf16) has 2048, its m16n8k8 (tf32) 1024.
  constexpr double macs() const {
    const double each = compute == ConvCompute::fp32 ? 1 : compute == ConvCompute::tf32 ? 1024.0 / 32 : 2048.0 / 32;
    return each * static_cast<double>(blocks * kThreads) * static_cast<double>(steps * kChains);
  }
};

// sums [blocks][kThreads]: each thread's chains, added up in order.
void measure_peak(const Launch& launch, const PeakRun& run, float* sums);

}  // namespace bsg::kernels::device
