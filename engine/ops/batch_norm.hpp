#pragma once

#include "engine/autograd/tape.hpp"

namespace bsg::ops {

struct BatchNormOptions {
  bool training = true;   // normalise by the batch's statistics and move the running ones
  double momentum = 0.1;  // of the running statistics
  double epsilon = 1e-5;
  bool relu = false;  // ReLU behind the normalisation and the residual
};

// x [N, C, H, W] or [N, C], f32, f64 or bf16; weight, bias, running_mean, running_var [C] of parameter_type of x's;
// residual like x, or Var() for none.
//   y = relu?(weight * (x - mean) / sqrt(var + epsilon) + bias + residual?)
// Training normalises by the biased variance and moves running_var by the unbiased one; a batch of one value a channel
// is an error there. Gradients for x, weight, bias and residual. ReLU and the residual are part of the op because each
// pass over a large activation costs about a tenth of a convolution. Throws ShapeError.
Var batch_norm(Context& context, const Var& x, const Var& weight, const Var& bias, Tensor& running_mean,
               Tensor& running_var, const BatchNormOptions& options, const Var& residual = {});

}  // namespace bsg::ops
