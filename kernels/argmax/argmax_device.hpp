// The place of the largest element along the channels on the device, with the rules of argmax.hpp. Channels last:
// x [positions][channels] -> y [positions].
#pragma once

#include <cstdint>

#include "kernels/common/launch.hpp"

namespace bsg::kernels::device {

// At most 2^31 - 1 channels.
void argmax_channels(const Launch& launch, std::int64_t positions, std::int64_t channels, const float* x,
                     std::int32_t* y);

}  // namespace bsg::kernels::device
