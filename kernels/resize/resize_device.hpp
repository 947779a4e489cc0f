// Bilinear interpolation on the device, channels last: x [samples, H, W, channels] with samples = planes / channels.
// Coordinates and rules are those of resize.hpp, the coordinates as exact fractions: no extent above
// kLargestResizeExtent. T: float or simt::bfloat16, computed in float. No atomics: gradients are gathered, the same
// bits in every run.
#pragma once

#include "kernels/resize/resize.hpp"

namespace bsg::kernels::device {

inline constexpr std::int64_t kLargestResizeExtent = 32767;

template <class T>
void bilinear_resize(const Launch& launch, const ResizeShape& shape, std::int64_t channels, const T* x, T* y);

// accumulate: added to dx.
template <class T>
void bilinear_resize_backward(const Launch& launch, const ResizeShape& shape, std::int64_t channels, const T* dy, T* dx,
                              bool accumulate);

}  // namespace bsg::kernels::device
