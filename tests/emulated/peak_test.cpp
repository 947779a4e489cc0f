#include <string_view>
#include <vector>

#include "kernels/peak/peak_device.hpp"
#include "kernels/simt/runtime.hpp"
#include "tests/emulated/orders.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;
using kernels::device::ConvCompute;
using kernels::device::PeakRun;

TEST_CASE("the peak's products are those that it counts", "[peak]") {
  constexpr std::int64_t kBlocks = 2, kSteps = 5;
  test::for_each_order([&](std::string_view order) {
    INFO(order);
    for (const ConvCompute compute : {ConvCompute::fp32, ConvCompute::tf32, ConvCompute::bf16}) {
      const PeakRun run{compute, kBlocks, kSteps};
      simt::DeviceArray<float> sums(kBlocks * PeakRun::kThreads);
      kernels::device::measure_peak({}, run, sums.data());
      simt::synchronize();
      float expected = 0;
      for (std::int64_t i = 0; i < PeakRun::kChains; ++i) {
        float chain = static_cast<float>(i);
        if (compute == ConvCompute::fp32) {
          for (std::int64_t step = 0; step < kSteps; ++step) chain = chain / 2 + 1;
          expected += chain;
        } else {
          // An element of D = A B + C is the sum of k products.
          for (int j = 0; j < 4; ++j)
            expected += chain + static_cast<float>(kSteps * (compute == ConvCompute::tf32 ? 8 : 16));
        }
      }
      const std::vector<float> found = sums.to_host();
      for (const float sum : found) REQUIRE(sum == expected);
    }
  });
  // A warp's mma.m16n8k16 has 16 * 8 * 16 multiply-accumulates, its m16n8k8 half of them, its fma 32.
  CHECK(PeakRun{ConvCompute::bf16, 1, 1}.macs() == 8 * 8 * 2048.0);
  CHECK(PeakRun{ConvCompute::tf32, 1, 1}.macs() == 8 * 8 * 1024.0);
  CHECK(PeakRun{ConvCompute::fp32, 3, 10}.macs() == 3 * 10 * 8 * 256.0);
}
