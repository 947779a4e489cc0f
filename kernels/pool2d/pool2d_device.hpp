// Pooling over square windows on the device, channels last: x [samples, H, W, channels] with samples = planes /
// channels. Windows, and what holds for NaN, ties and padding, are those of pool2d.hpp. T: float or simt::bfloat16,
// computed in float. No atomics: gradients are gathered, the same bits in every run. accumulate: added to dx.
#pragma once

#include "kernels/pool2d/pool2d.hpp"

namespace bsg::kernels::device {

template <class T>
void max_pool2d(const Launch& launch, const Pool2dShape& shape, std::int64_t channels, const T* x, T* y);

template <class T>
void max_pool2d_backward(const Launch& launch, const Pool2dShape& shape, std::int64_t channels, const T* x, const T* dy,
                         T* dx, bool accumulate);

template <class T>
void average_pool2d(const Launch& launch, const Pool2dShape& shape, std::int64_t channels, bool count_include_pad,
                    const T* x, T* y);

template <class T>
void average_pool2d_backward(const Launch& launch, const Pool2dShape& shape, std::int64_t channels,
                             bool count_include_pad, const T* dy, T* dx, bool accumulate);

}  // namespace bsg::kernels::device
