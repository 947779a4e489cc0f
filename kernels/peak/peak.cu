#include "kernels/peak/peak_device.hpp"
#include "kernels/simt/simt.hpp"

namespace bsg::kernels::device {
namespace {

constexpr unsigned kThreads = PeakRun::kThreads, kChains = PeakRun::kChains;
constexpr unsigned kBf16Ones = 0x3f803f80, kTf32One = 0x3f800000;

__device__ __forceinline__ std::int64_t own_place() {
  return static_cast<std::int64_t>(simt::block().x) * kThreads + simt::thread().x;
}

__global__ void __launch_bounds__(kThreads) fused_products(const std::int64_t steps, float* const sums) {
  float chain[kChains];
#pragma unroll
  for (unsigned i = 0; i < kChains; ++i) chain[i] = static_cast<float>(i);
  for (std::int64_t step = 0; step < steps; ++step)
#pragma unroll
    for (unsigned i = 0; i < kChains; ++i) chain[i] = std::fma(chain[i], 0.5F, 1.0F);
  float sum = 0;
#pragma unroll
  for (unsigned i = 0; i < kChains; ++i) sum += chain[i];
  sums[own_place()] = sum;
}

template <bool kBf16>
__global__ void __launch_bounds__(kThreads) matrix_products(const std::int64_t steps, float* const sums) {
  constexpr unsigned kOnes = kBf16 ? kBf16Ones : kTf32One;
  const unsigned a[4] = {kOnes, kOnes, kOnes, kOnes}, b[2] = {kOnes, kOnes};
  float chain[kChains][4];
#pragma unroll
  for (unsigned i = 0; i < kChains; ++i)
#pragma unroll
    for (unsigned j = 0; j < 4; ++j) chain[i][j] = static_cast<float>(i);
  for (std::int64_t step = 0; step < steps; ++step)
#pragma unroll
    for (unsigned i = 0; i < kChains; ++i) {
      if constexpr (kBf16) {
        simt::mma_m16n8k16_bf16(chain[i], a, b, chain[i]);
      } else {
        simt::mma_m16n8k8_tf32(chain[i], a, b, chain[i]);
      }
    }
  float sum = 0;
#pragma unroll
  for (unsigned i = 0; i < kChains; ++i)
#pragma unroll
    for (unsigned j = 0; j < 4; ++j) sum += chain[i][j];
  sums[own_place()] = sum;
}

}  // namespace

void measure_peak(const Launch& launch, const PeakRun& run, float* sums) {
  const auto kernel = run.compute == ConvCompute::fp32   ? fused_products
                      : run.compute == ConvCompute::tf32 ? matrix_products<false>
                                                         : matrix_products<true>;
  simt::launch(kernel, {static_cast<unsigned>(run.blocks), 1, 1}, {kThreads, 1, 1}, launch.stream, run.steps, sums);
}

}  // namespace bsg::kernels::device
