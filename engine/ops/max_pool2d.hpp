#pragma once

#include "engine/autograd/tape.hpp"
#include "engine/ops/pool2d_shape.hpp"

namespace bsg::ops {

// x [N, C, H, W] -> [N, C, OH, OW], the largest element of each window (kernels/pool2d/pool2d.hpp); padding is never
// the largest. A window with a NaN gives NaN. The gradient goes to one element of each window: its first NaN, else the
// first of those that are largest, in row-major order. f32, f64 or bf16. Throws ShapeError.
Var max_pool2d(Context& context, const Var& x, const Pool2dOptions& options);

}  // namespace bsg::ops
