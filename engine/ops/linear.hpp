#pragma once

#include "engine/autograd/tape.hpp"

namespace bsg::ops {

// x [N, I], weight [O, I], bias [O] or Var() for none -> [N, O]. Throws ShapeError.
Var linear(Context& context, const Var& x, const Var& weight, const Var& bias);

}  // namespace bsg::ops
