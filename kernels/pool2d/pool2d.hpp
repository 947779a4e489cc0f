// Pooling over square windows. x [planes, H, W] -> y [planes, OH, OW], contiguous; planes = N * C. Window (i, j) covers
// the positions (i * stride - padding + r * dilation, j * stride - padding + s * dilation) for r, s in [0, kernel),
// and holds those of them that lie in the plane: at least one. Every plane is worked on by one thread, in a fixed
// order.
#pragma once

#include <cstdint>

#include "kernels/common/launch.hpp"

namespace bsg::kernels {

struct Pool2dShape {
  std::int64_t planes = 0, height = 0, width = 0;  // of x
  std::int64_t kernel = 1, stride = 1, padding = 0, dilation = 1;

  std::int64_t out_height() const { return extent(height); }
  std::int64_t out_width() const { return extent(width); }

 private:
  std::int64_t extent(std::int64_t in) const { return (in + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1; }
};

namespace cpu {

// y = the largest element of each window; NaN when it holds one.
template <class T>
void max_pool2d(const Launch& launch, const Pool2dShape& shape, const T* x, T* y);

// dx[p] = the sum of dy over the windows that take their result from p: the first element, in row-major order, that is
// a NaN or else equals the maximum. Found again from x, so forward stores no indices. accumulate: added to dx.
template <class T>
void max_pool2d_backward(const Launch& launch, const Pool2dShape& shape, const T* x, const T* dy, T* dx,
                         bool accumulate);

// y = the sum of each window, taken in double, over kernel * kernel (count_include_pad) or over the elements it holds.
// dilation must be 1.
template <class T>
void average_pool2d(const Launch& launch, const Pool2dShape& shape, bool count_include_pad, const T* x, T* y);

template <class T>
void average_pool2d_backward(const Launch& launch, const Pool2dShape& shape, bool count_include_pad, const T* dy, T* dx,
                             bool accumulate);

}  // namespace cpu
}  // namespace bsg::kernels
