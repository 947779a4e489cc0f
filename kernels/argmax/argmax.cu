// A warp takes one position after another: its lanes share the channels, which lie side by side.
#include "kernels/argmax/argmax_device.hpp"
#include "kernels/simt/simt.hpp"

namespace bsg::kernels::device {
namespace {

constexpr unsigned kThreads = 256;
constexpr unsigned kWarps = kThreads / simt::kWarp;
constexpr std::int64_t kMostBlocks = 4096;

// No comparison with a NaN holds: it is larger than a number, and nothing is larger than it.
__device__ bool larger(float a, float b) { return !(a <= b) && b == b; }

__global__ void __launch_bounds__(kThreads)
    find_largest(std::int64_t positions, std::int64_t channels, const float* x, std::int32_t* y) {
  for (std::int64_t i = static_cast<std::int64_t>(simt::block().x) * kWarps + simt::warp(); i < positions;
       i += static_cast<std::int64_t>(simt::grid_size().x) * kWarps) {
    const float* const values = x + i * channels;
    // A lane without a channel repeats the first, which wins over nothing that comes before it.
    const std::int64_t own = simt::lane() < channels ? simt::lane() : 0;
    float best = values[own];
    auto place = static_cast<std::int32_t>(own);
    for (std::int64_t c = own + simt::kWarp; c < channels; c += simt::kWarp) {
      const float value = values[c];
      if (!larger(value, best)) continue;
      best = value;
      place = static_cast<std::int32_t>(c);
    }
    for (unsigned bits = simt::kWarp / 2; bits > 0; bits /= 2) {
      const float value = simt::shuffle_xor(best, bits);
      const std::int32_t at = simt::shuffle_xor(place, bits);
      const bool equal = !larger(value, best) && !larger(best, value);
      if (equal ? at < place : larger(value, best)) {
        best = value;
        place = at;
      }
    }
    if (simt::lane() == 0) y[i] = place;
  }
}

}  // namespace

void argmax_channels(const Launch& launch, std::int64_t positions, std::int64_t channels, const float* x,
                     std::int32_t* y) {
  if (positions == 0) return;
  const std::int64_t wanted = (positions + kWarps - 1) / kWarps;
  simt::launch(find_largest, {static_cast<unsigned>(wanted < kMostBlocks ? wanted : kMostBlocks)}, {kThreads},
               launch.stream, positions, channels, x, y);
}

}  // namespace bsg::kernels::device
