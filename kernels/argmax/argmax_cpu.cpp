#include <algorithm>
#include <array>

#include "kernels/argmax/argmax.hpp"
#include "kernels/common/parallel_for.hpp"

namespace bsg::kernels::cpu {
namespace {

// Pixels whose largest values stay in cache while the channels pass.
constexpr std::int64_t kBlock = 1024;

}  // namespace

template <class T>
void argmax_channels(const Launch& launch, const ArgmaxShape& s, const T* x, std::int32_t* y) {
  const std::int64_t blocks = (s.pixels + kBlock - 1) / kBlock;
  parallel_for(launch, s.samples * blocks, s.samples * s.channels * s.pixels,
               [&](std::int64_t begin, std::int64_t end) {
                 std::array<T, kBlock> largest;
                 for (std::int64_t item = begin; item < end; ++item) {
                   const std::int64_t sample = item / blocks, first = item % blocks * kBlock;
                   const auto count = static_cast<std::size_t>(std::min(kBlock, s.pixels - first));
                   const T* from = x + sample * s.channels * s.pixels + first;
                   std::int32_t* to = y + sample * s.pixels + first;
                   std::copy_n(from, count, largest.begin());
                   std::fill_n(to, count, 0);
                   for (std::int32_t channel = 1; channel < s.channels; ++channel) {
                     from += s.pixels;
                     for (std::size_t i = 0; i < count; ++i) {
                       const bool larger = exceeds(from[i], largest[i]);
                       largest[i] = larger ? from[i] : largest[i];
                       to[i] = larger ? channel : to[i];
                     }
                   }
                 }
               });
}

template void argmax_channels<float>(const Launch&, const ArgmaxShape&, const float*, std::int32_t*);
template void argmax_channels<double>(const Launch&, const ArgmaxShape&, const double*, std::int32_t*);

}  // namespace bsg::kernels::cpu
