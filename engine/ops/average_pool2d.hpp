#pragma once

#include "engine/autograd/tape.hpp"
#include "engine/ops/pool2d_shape.hpp"

namespace bsg::ops {

// x [N, C, H, W] -> [N, C, OH, OW], the mean of each window (kernels/pool2d/pool2d.hpp): over all its kernel * kernel
// positions, padding counting as zero (count_include_pad), or over those inside x alone. f32
// or f64. options.dilation must be 1. Throws ShapeError.
Var average_pool2d(Context& context, const Var& x, const Pool2dOptions& options, bool count_include_pad = true);

}  // namespace bsg::ops
