// Average pooling to a given number of windows. x [planes, H, W] -> y [planes, OH, OW], contiguous; planes = N * C.
// Window i of O along an axis of extent H covers [floor(i * H / O), ceil((i + 1) * H / O)), as in PyTorch: windows are
// never empty, share elements where O does not divide H, and repeat them where O is larger.
#pragma once

#include <cstdint>

#include "kernels/common/launch.hpp"
#include "kernels/simt/language.hpp"

namespace bsg::kernels {

struct AdaptivePoolShape {
  std::int64_t planes = 0, height = 0, width = 0;  // of x, extents at least 1
  std::int64_t out_height = 1, out_width = 1;      // at least 1
};

// Half-open. Both rules are one: the windows that hold position h of H are adaptive_window(h, O, H).
struct AdaptiveWindow {
  std::int64_t begin, end;
};
__host__ __device__ constexpr AdaptiveWindow adaptive_window(std::int64_t i, std::int64_t extent,
                                                             std::int64_t windows) {
  return {i * extent / windows, ((i + 1) * extent + windows - 1) / windows};
}

namespace cpu {

// y = the mean of each window, summed in double. Every plane is worked on by one thread, in a fixed order.
template <class T>
void adaptive_average_pool2d(const Launch& launch, const AdaptivePoolShape& shape, const T* x, T* y);

// dx[p] = the sum over the windows that hold p of dy over the window's elements. accumulate: added to dx.
template <class T>
void adaptive_average_pool2d_backward(const Launch& launch, const AdaptivePoolShape& shape, const T* dy, T* dx,
                                      bool accumulate);

}  // namespace cpu
}  // namespace bsg::kernels
