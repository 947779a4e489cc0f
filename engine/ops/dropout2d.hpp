#pragma once

#include "engine/autograd/tape.hpp"

namespace bsg::ops {

// x [N, C, H, W], f32, f64 or bf16. In training each channel of each sample is zero with probability p in [0, 1), and
// multiplied by 1 / (1 - p) otherwise; outside training, or with p = 0, x itself. Draws N * C of the context's random
// numbers on the host, so that every device drops the same channels. Throws ShapeError.
Var dropout2d(Context& context, const Var& x, double p, bool training);

}  // namespace bsg::ops
