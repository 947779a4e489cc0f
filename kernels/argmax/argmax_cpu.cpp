#include <algorithm>
#include <array>

#include "kernels/argmax/argmax.hpp"
#include "kernels/common/parallel_for.hpp"

namespace bsg::kernels::cpu {
namespace {

// Elements of a plane whose best is kept at hand while their channels are read.
constexpr std::int64_t kTogether = 256;

}  // namespace

template <class T>
void argmax_channels(const Launch& launch, std::int64_t samples, std::int64_t channels, std::int64_t plane, const T* x,
                     std::int32_t* y) {
  const std::int64_t pieces = (plane + kTogether - 1) / kTogether;
  parallel_for(launch, samples * pieces, samples * channels * plane, [&](std::int64_t begin, std::int64_t end) {
    std::array<T, kTogether> best;
    for (std::int64_t piece = begin; piece < end; ++piece) {
      const std::int64_t sample = piece / pieces, first = piece % pieces * kTogether;
      const std::int64_t count = std::min(kTogether, plane - first);
      const T* from = x + sample * channels * plane + first;
      std::int32_t* const to = y + sample * plane + first;
      std::copy_n(from, count, best.begin());
      std::fill_n(to, count, 0);
      for (std::int64_t c = 1; c < channels; ++c) {
        from += plane;
        for (std::int64_t i = 0; i < count; ++i) {
          T& largest = best[static_cast<std::size_t>(i)];
          const T value = from[i];
          // No comparison with a NaN holds: it takes the place of a number, and nothing takes its place.
          const bool larger = !(value <= largest) && largest == largest;
          largest = larger ? value : largest;
          to[i] = larger ? static_cast<std::int32_t>(c) : to[i];
        }
      }
    }
  });
}

template void argmax_channels<float>(const Launch&, std::int64_t, std::int64_t, std::int64_t, const float*,
                                     std::int32_t*);
template void argmax_channels<double>(const Launch&, std::int64_t, std::int64_t, std::int64_t, const double*,
                                      std::int32_t*);

}  // namespace bsg::kernels::cpu
