#include <cstddef>
#include <cstdint>

#include <omp.h>

#include "benchmarks/bsg_bench/fma_peak.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "benchmarks/bsg_bench/fma_peak_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace bsg::bench {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// More than latency times units on any processor so far; fewer than the registers there are.
constexpr std::size_t kChains = 12;

// Steps of all chains, each a vector's multiply-add; what they end with, so that they are not left out.
float chains(std::int64_t steps) {
  const hn::ScalableTag<float> d;
  const auto factor = hn::Set(d, 0.999F), term = hn::Set(d, 0.001F);
  hn::Vec<decltype(d)> sum[kChains];
  for (std::size_t i = 0; i < kChains; ++i) sum[i] = hn::Set(d, 1 + static_cast<float>(i));
  for (std::int64_t step = 0; step < steps; ++step)
    for (std::size_t i = 0; i < kChains; ++i) sum[i] = hn::MulAdd(sum[i], factor, term);
  for (std::size_t i = 1; i < kChains; ++i) sum[0] = hn::Add(sum[0], sum[i]);
  return hn::GetLane(hn::SumOfLanes(d, sum[0]));
}

std::size_t macs_of_step() { return kChains * hn::Lanes(hn::ScalableTag<float>()); }
const char* target_name() { return hwy::TargetName(HWY_TARGET); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bsg::bench
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bsg::bench {
namespace {

HWY_EXPORT(chains);
HWY_EXPORT(macs_of_step);
HWY_EXPORT(target_name);

constexpr std::int64_t kSteps = 16384;

class CpuPeak : public Peak {
 public:
  explicit CpuPeak(int threads) : threads_(threads) {}

  void run(int times) override {
    float kept = 0;
#pragma omp parallel num_threads(threads_) reduction(+ : kept)
    kept += HWY_DYNAMIC_DISPATCH(chains)(kSteps * times);
    kept_ = kept;
  }
  double macs() const override {
    return static_cast<double>(threads_) * static_cast<double>(kSteps) *
           static_cast<double>(HWY_DYNAMIC_DISPATCH(macs_of_step)());
  }

 private:
  int threads_;
  volatile float kept_ = 0;
};

}  // namespace

std::unique_ptr<Peak> cpu_peak(int threads) { return std::make_unique<CpuPeak>(threads); }

std::string cpu_instructions() { return HWY_DYNAMIC_DISPATCH(target_name)(); }

}  // namespace bsg::bench
#endif
