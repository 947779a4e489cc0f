#pragma once

#include "engine/autograd/tape.hpp"

namespace bsg::ops {

// [N, C, H, W], f32, f64 or bf16 -> [N, C] of its parameter_type, the mean over each plane, which must not be empty.
// Throws ShapeError.
Var global_average_pool(Context& context, const Var& x);

}  // namespace bsg::ops
