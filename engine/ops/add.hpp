#pragma once

#include "engine/autograd/tape.hpp"

namespace bsg::ops {

// a + b of one shape and type, f32, f64 or bf16. Its gradient passes to both without a copy. Throws ShapeError.
Var add(Context& context, const Var& a, const Var& b);

}  // namespace bsg::ops
