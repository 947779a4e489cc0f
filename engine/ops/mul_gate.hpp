#pragma once

#include "engine/autograd/tape.hpp"

namespace bsg::ops {

// x [N, C, H, W], f32, f64 or bf16, * gate [N, C] of parameter_type of x's, any values in the gate. Throws ShapeError.
Var mul_gate(Context& context, const Var& x, const Var& gate);

}  // namespace bsg::ops
