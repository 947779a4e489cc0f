#include "benchmarks/bsg_bench/fma_peak.hpp"
#include "engine/core/tensor.hpp"
#include "kernels/backend/backend.hpp"

namespace bsg::bench {
namespace {

using kernels::device::ConvCompute;

// Sixteen times as many blocks as an H100 runs at once: its last ones leave little of it idle, or of any other GPU.
constexpr std::int64_t kBlocks = std::int64_t{132} * 8 * 16, kSteps = 1024;

class DevicePeak : public Peak {
 public:
  DevicePeak(Context& context, ConvCompute compute)
      : context_(context),
        run_{compute, kBlocks, kSteps},
        sums_(Tensor::empty(context, {kBlocks * kernels::device::PeakRun::kThreads})) {}

  void run(int times) override {
    for (int time = 0; time < times; ++time)
      context_.backend().measure_peak(context_.launch(), run_, sums_.data<float>());
  }
  double macs() const override { return run_.macs(); }

 private:
  Context& context_;
  kernels::device::PeakRun run_;
  Tensor sums_;
};

}  // namespace

std::unique_ptr<Peak> device_peak(Context& context, std::string_view precision) {
  return std::make_unique<DevicePeak>(context, precision == "f32"    ? ConvCompute::fp32
                                               : precision == "tf32" ? ConvCompute::tf32
                                                                     : ConvCompute::bf16);
}

}  // namespace bsg::bench
