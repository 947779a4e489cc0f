// Turning planes to pixels of channels. Included once per instruction set, after hwy/foreach_target.h.
#if defined(BSG_KERNELS_CONV2D_TURN_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef BSG_KERNELS_CONV2D_TURN_INL_HPP
#undef BSG_KERNELS_CONV2D_TURN_INL_HPP
#else
#define BSG_KERNELS_CONV2D_TURN_INL_HPP
#endif

#include <algorithm>
#include <cstdint>

#include <hwy/highway.h>

#include "kernels/common/prefetch.hpp"
#include "kernels/conv2d/geometry.hpp"

#ifndef BSG_KERNELS_CONV2D_TURN_ARGUMENTS
#define BSG_KERNELS_CONV2D_TURN_ARGUMENTS
namespace bsg::kernels::cpu {

// A run of one sample's pixels: element `pixel` of plane channels[i] goes to turned[places[pixel] + i].
template <class T>
struct TurnArguments {
  const T* planes;  // at the run's first pixel
  std::int64_t plane;
  std::int64_t pixels;
  const std::int64_t* channels;  // negative: zeros
  std::int64_t count;
  const std::int64_t* places;
  T* turned;
};

}  // namespace bsg::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace bsg::kernels::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET != HWY_SCALAR
// Stores each block of four elements at the place of its pixel: block b is pixel 4 b.
template <class D, class T>
HWY_INLINE void store_blocks(D d, hn::Vec<D> v, const std::int64_t* places, T* to) {
  if constexpr (hn::MaxLanes(D()) > 4) {
    const hn::Half<D> half;
    store_blocks(half, hn::LowerHalf(half, v), places, to);
    store_blocks(half, hn::UpperHalf(half, v), places + hn::Lanes(half), to);
  } else {
    hn::StoreU(v, d, to + *places);
  }
}
#endif

template <class T>
HWY_INLINE void turn(const TurnArguments<T>& a) {
  const auto value = [&](std::int64_t i, std::int64_t pixel) {
    return a.channels[i] < 0 ? T{0} : a.planes[a.channels[i] * a.plane + pixel];
  };
  std::int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  if constexpr (sizeof(T) == 4) {
    // Four channels of a vector of pixels at a time: interleaved twice, each block of 128 bits is a pixel.
    const hn::ScalableTag<T> d;
    const hn::RepartitionToWide<decltype(d)> pairs;
    const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
    for (; i + 4 <= a.count; i += 4) {
      std::int64_t pixel = 0;
      const T* ahead[4];
      for (std::int64_t j = 0; j < 4; ++j)
        ahead[j] = a.planes + std::max<std::int64_t>(a.channels[std::min(i + 4 + j, a.count - 1)], 0) * a.plane;
      const auto load = [&](std::int64_t j) HWY_ATTR {
        const std::int64_t channel = a.channels[i + j];
        return channel < 0 ? hn::Zero(d) : hn::LoadU(d, a.planes + channel * a.plane + pixel);
      };
      for (; pixel + lanes <= a.pixels; pixel += lanes) {
        for (const T* plane : ahead) prefetch(plane + pixel, 1);
        const auto v0 = load(0), v1 = load(1), v2 = load(2), v3 = load(3);
        const auto low01 = hn::BitCast(pairs, hn::InterleaveLower(d, v0, v1)),
                   low23 = hn::BitCast(pairs, hn::InterleaveLower(d, v2, v3)),
                   high01 = hn::BitCast(pairs, hn::InterleaveUpper(d, v0, v1)),
                   high23 = hn::BitCast(pairs, hn::InterleaveUpper(d, v2, v3));
        const std::int64_t* const places = a.places + pixel;
        store_blocks(d, hn::BitCast(d, hn::InterleaveLower(pairs, low01, low23)), places, a.turned + i);
        store_blocks(d, hn::BitCast(d, hn::InterleaveUpper(pairs, low01, low23)), places + 1, a.turned + i);
        store_blocks(d, hn::BitCast(d, hn::InterleaveLower(pairs, high01, high23)), places + 2, a.turned + i);
        store_blocks(d, hn::BitCast(d, hn::InterleaveUpper(pairs, high01, high23)), places + 3, a.turned + i);
      }
      for (; pixel < a.pixels; ++pixel)
        for (std::int64_t j = i; j < i + 4; ++j) a.turned[a.places[pixel] + j] = value(j, pixel);
    }
  }
#endif
  for (; i < a.count; ++i)
    for (std::int64_t pixel = 0; pixel < a.pixels; ++pixel) a.turned[a.places[pixel] + i] = value(i, pixel);
}

}  // namespace bsg::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
