#pragma once

#include "engine/autograd/tape.hpp"

namespace bsg::ops {

struct CrossEntropyOptions {
  double label_smoothing = 0;  // in [0, 1): weight of the uniform distribution in the target
  std::int64_t ignore_index = -100;
  Tensor class_weights = {};  // undefined: 1 each; or f32 or f64 [K], none negative
};

// logits [N, K] with labels i64 [N], or [N, K, H, W] with [N, H, W]: over all positions whose label is not
// ignore_index, the sum of  -(1 - s) w[label] log p[label] - s mean_k w[k] log p[k],  divided by the sum of w[label],
// as in PyTorch: the mean where all weights w are 1. A scalar of the logits' type. When no position has weight, the
// loss is 0 and its gradient too. Throws ShapeError, for a label out of range with its position.
Var softmax_cross_entropy(Context& context, const Var& logits, const Tensor& labels,
                          const CrossEntropyOptions& options = {});

}  // namespace bsg::ops
