#pragma once

#include "engine/autograd/tape.hpp"

namespace bsg::ops {

struct BinaryConcreteOptions {
  double temperature = 2.0 / 3;
  bool training = true;
  double noise = 1;  // scale of the logistic noise
};

// Binary concrete gate with the straight-through gradient (paper, section 3): y = (logit + noise * (log u - log(1 -
// u))) / temperature with u uniform in (0, 1); the result is 1[y > 0], its gradient that of sigmoid(y). Not training: u
// = 1/2, so 1[logit > 0]. Number i of the context's random stream belongs to element i, whatever the thread count. f32
// or f64. Throws ShapeError for a temperature that is not positive.
Var binary_concrete_gate(Context& context, const Var& logits, const BinaryConcreteOptions& options = {});

}  // namespace bsg::ops
