#pragma once

#include "engine/core/tensor.hpp"

namespace bsg::ops {

// x [N, K] or [N, K, H, W], f32 -> i32 [N] or [N, H, W], the k with the largest x: the first of several, and the first
// NaN where there is one. Nothing is recorded: it has no gradient. Throws ShapeError.
Tensor argmax_channels(Context& context, const Tensor& x);

}  // namespace bsg::ops
