// The parameter-free shortcut of He et al. 2016 (option A) on the device, channels last: every stride-th pixel of x,
// its channels with floor((out_channels - channels) / 2) channels of zeros before them and the rest behind. T: float or
// simt::bfloat16.
#pragma once

#include <cstdint>

#include "kernels/common/launch.hpp"

namespace bsg::kernels::device {

struct OptionAShape {
  std::int64_t samples = 0, height = 0, width = 0, channels = 0;  // of x
  std::int64_t out_channels = 0, stride = 1;                      // out_channels >= channels

  std::int64_t out_height() const { return (height + stride - 1) / stride; }
  std::int64_t out_width() const { return (width + stride - 1) / stride; }
};

template <class T>
void option_a_shortcut(const Launch& launch, const OptionAShape& shape, const T* x, T* y);

// accumulate: added to dx.
template <class T>
void option_a_shortcut_backward(const Launch& launch, const OptionAShape& shape, const T* dy, T* dx, bool accumulate);

}  // namespace bsg::kernels::device
