// The place of the largest element along the channels: the first of those that are largest; a NaN counts as larger than
// any number, the first one wins. Elements of one channel lie side by side: x [samples][channels][plane] -> y
// [samples][plane]. There is at least one channel.
#pragma once

#include <cstdint>

#include "kernels/common/launch.hpp"

namespace bsg::kernels::cpu {

template <class T>
void argmax_channels(const Launch& launch, std::int64_t samples, std::int64_t channels, std::int64_t plane, const T* x,
                     std::int32_t* y);

}  // namespace bsg::kernels::cpu
