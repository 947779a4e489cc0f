#pragma once

#include <vector>

#include "engine/autograd/tape.hpp"

namespace bsg::ops {

// Joins tensors along their second axis, the channels: [N, C0, ...], [N, C1, ...], ... -> [N, C0 + C1 + ..., ...]. At
// least one, all of one type (f32, f64 or bf16) and equal in every other extent. Throws ShapeError.
Var concat(Context& context, const std::vector<Var>& inputs);

}  // namespace bsg::ops
