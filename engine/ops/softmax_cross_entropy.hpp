#pragma once

#include "engine/autograd/tape.hpp"

namespace bsg::ops {

struct CrossEntropyOptions {
  double label_smoothing = 0;  // in [0, 1): weight of the uniform distribution in the target
  std::int64_t ignore_index = -100;
};

// logits [N, K] with labels i64 [N], or [N, K, H, W] with [N, H, W]: the mean over all positions whose label is not
// ignore_index of
// -(1 - s) log p[label] - s mean_k log p[k]. A scalar of the logits' type. When every label is ignored the loss is 0
// and its gradient too. Throws ShapeError, for a label out of range with its position.
Var softmax_cross_entropy(Context& context, const Var& logits, const Tensor& labels,
                          const CrossEntropyOptions& options = {});

}  // namespace bsg::ops
