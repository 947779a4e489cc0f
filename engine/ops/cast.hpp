#pragma once

#include "engine/autograd/tape.hpp"

namespace bsg::ops {

// x, of any shape, as another floating-point type: f32 and f64 on the CPU, f32 and bf16 on other devices; to bf16
// rounded to nearest even. x itself when it is of that type already. The gradient is converted back. Throws ShapeError.
Var cast(Context& context, const Var& x, DType dtype);

}  // namespace bsg::ops
