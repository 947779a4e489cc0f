#pragma once

#include "engine/autograd/tape.hpp"

namespace bsg::ops {

// x [N, C, H, W] * gate [N, C], any values in the gate. Throws ShapeError.
Var mul_gate(Context& context, const Var& x, const Var& gate);

}  // namespace bsg::ops
