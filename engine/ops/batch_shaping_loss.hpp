#pragma once

#include "engine/autograd/tape.hpp"

namespace bsg::ops {

// What the sum over batch and gates is divided by. The loss weight gamma is not portable between these.
enum class ShapingNormalization {
  batch_mean_gate_sum,   // batch: the mean over the batch, the sum over gates
  batch_mean_gate_mean,  // batch * gates
  batch_sum_gate_sum,    // 1
  batch_sum_gate_mean,   // gates
};

struct BatchShapingOptions {
  double a = 0.6, b = 0.4;  // of the prior, Beta(a, b)
  ShapingNormalization normalization = ShapingNormalization::batch_mean_gate_sum;
  double pdf_min = 1e-3, pdf_max = 100;  // the prior's density is clipped to this range in the gradient
};

// x [N, gates], probabilities in [0, 1], f32 or f64 -> a scalar: kernels/batch_shaping/batch_shaping.hpp. Throws
// ShapeError for other shapes, values outside [0, 1], a or b outside (0, 20], and pdf_min above pdf_max.
Var batch_shaping_loss(Context& context, const Var& probabilities, const BatchShapingOptions& options = {});

// The same on sigmoid(logits), with the gradient for the logits: 1 - sigmoid(z) keeps its precision where it is near 0.
Var batch_shaping_loss_from_logits(Context& context, const Var& logits, const BatchShapingOptions& options = {});

}  // namespace bsg::ops
