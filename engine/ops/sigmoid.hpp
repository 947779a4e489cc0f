#pragma once

#include "engine/autograd/tape.hpp"

namespace bsg::ops {

// 1 / (1 + exp(-x)), any shape, f32 or f64.
Var sigmoid(Context& context, const Var& x);

// Mean of sigmoid(logit) over all elements: the expected share of gates that are on, which is what the L0 loss of
// Louizos et al. 2018 becomes for a binary concrete distribution that is not stretched. A scalar; at least one element.
// Throws ShapeError.
Var l0_loss(Context& context, const Var& logits);

}  // namespace bsg::ops
