#pragma once

#include <vector>

#include "engine/autograd/tape.hpp"

namespace bsg::ops {

// sum of weights[i] * scalars[i], each of one element and one type: the total of several losses. Throws ShapeError.
Var weighted_sum(Context& context, const std::vector<Var>& scalars, const std::vector<double>& weights);

}  // namespace bsg::ops
