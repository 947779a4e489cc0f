// Average pooling to a given number of windows on the device, channels last: x [samples, H, W, channels] with samples =
// planes / channels. Windows are those of adaptive_average_pool2d.hpp. T: float or simt::bfloat16, computed in float.
// No atomics: sums by a fixed tree, gradients gathered, the same bits in every run.
#pragma once

#include "kernels/pool2d/adaptive_average_pool2d.hpp"

namespace bsg::kernels::device {

template <class T>
void adaptive_average_pool2d(const Launch& launch, const AdaptivePoolShape& shape, std::int64_t channels, const T* x,
                             T* y);

// accumulate: added to dx.
template <class T>
void adaptive_average_pool2d_backward(const Launch& launch, const AdaptivePoolShape& shape, std::int64_t channels,
                                      const T* dy, T* dx, bool accumulate);

}  // namespace bsg::kernels::device
