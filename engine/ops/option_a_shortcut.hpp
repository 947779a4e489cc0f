#pragma once

#include "engine/autograd/tape.hpp"

namespace bsg::ops {

// The parameter-free shortcut of He et al. 2016 (option A): every stride-th pixel of x [N, C, H, W], its channels with
// floor((K - C) / 2) channels of zeros before them and the rest behind -> [N, K, ceil(H / stride), ceil(W / stride)].
// Throws ShapeError when K < C.
Var option_a_shortcut(Context& context, const Var& x, int out_channels, int stride);

}  // namespace bsg::ops
