// Bilinear interpolation between grids. x [planes, H, W] -> y [planes, OH, OW], contiguous, no extent of a plane zero.
// Output i of an axis with `in` inputs and `out` outputs takes its value at the input coordinate
//   half pixel (align_corners false): max((i + 1/2) * in / out - 1/2, 0)
//   align_corners:                    i * (in - 1) / (out - 1), 0 for out == 1
// between the two inputs around it; beyond the last input that one alone counts. An input whose weight is zero is not
// read, so a resize to the same size is a copy, infinities and NaN included.
#pragma once

#include <cstdint>

#include "kernels/common/launch.hpp"

namespace bsg::kernels {

struct ResizeShape {
  std::int64_t planes = 0;
  std::int64_t height = 0, width = 0;          // of x
  std::int64_t out_height = 0, out_width = 0;  // of y
  bool align_corners = false;
};

namespace cpu {

template <class T>
void bilinear_resize(const Launch& launch, const ResizeShape& shape, const T* x, T* y);

// dx = the gradient of x for dy, summed in double. accumulate: added to dx.
template <class T>
void bilinear_resize_backward(const Launch& launch, const ResizeShape& shape, const T* dy, T* dx, bool accumulate);

}  // namespace cpu
}  // namespace bsg::kernels
