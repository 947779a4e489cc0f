// Pooling of one sample between the layers of an inference plan, on planes in a frame (planes.hpp).
#pragma once

#include <cstdint>

#include "kernels/gated_conv/planes.hpp"

namespace bsg::kernels::cpu {

// Windows of kernel x kernel as in pool2d.hpp, dilation 1; the padding is at most half the kernel.
struct PoolWindow {
  std::int64_t kernel = 2, stride = 2, padding = 0;
};

// Elements of scratch that max_pool_planes needs.
std::int64_t max_pool_scratch(const PlaneLayout& x);

// Pools channels [begin, end) of x into y, both in one phase; the frame of y stays as it is. A window with a NaN gives
// NaN. sums: null, or [channels][PlaneLayout::kSlack], partial sums of each of these channels for mean_of_planes.
void max_pool_planes(const PoolWindow& window, const PlaneLayout& x_layout, const float* x, const PlaneLayout& y_layout,
                     std::int64_t begin, std::int64_t end, float* y, float* sums, float* scratch);

// y = the means of as many windows of each channel in [begin, end) as y has pixels (adaptive_average_pool2d.hpp), both
// in one phase.
void adaptive_average_pool_planes(const PlaneLayout& x_layout, const float* x, const PlaneLayout& y_layout,
                                  std::int64_t begin, std::int64_t end, float* y);

}  // namespace bsg::kernels::cpu
