// What max_pool2d and average_pool2d share.
#pragma once

#include <string_view>

#include "engine/autograd/tape.hpp"
#include "kernels/pool2d/pool2d.hpp"

namespace bsg::ops {

struct Pool2dOptions {
  int kernel = 2;  // windows are kernel x kernel
  int stride = 2;
  int padding = 0;  // on every side; at most half the kernel
  int dilation = 1;
};

// All checks on x and options. Throws ShapeError that begins with `op`: for shapes and values that make no sense, and
// for a window that would hold nothing but padding.
kernels::Pool2dShape checked_pool2d_shape(std::string_view op, const Var& x, const Pool2dOptions& options);

}  // namespace bsg::ops
