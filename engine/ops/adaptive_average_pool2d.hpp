#pragma once

#include "engine/autograd/tape.hpp"

namespace bsg::ops {

// x [N, C, H, W] -> [N, C, out_height, out_width], the mean of each window (kernels/pool2d/adaptive_average_pool2d.hpp:
// PyTorch's windows). All extents of the planes at least 1. f32, f64 or bf16. Throws ShapeError.
Var adaptive_average_pool2d(Context& context, const Var& x, std::int64_t out_height, std::int64_t out_width);

}  // namespace bsg::ops
