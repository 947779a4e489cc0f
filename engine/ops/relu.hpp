#pragma once

#include "engine/autograd/tape.hpp"

namespace bsg::ops {

// max(x, 0), any shape, f32, f64 or bf16. NaN stays NaN. The gradient at 0 is 0.
Var relu(Context& context, const Var& x);

}  // namespace bsg::ops
