#pragma once

#include "engine/autograd/tape.hpp"
#include "kernels/conv2d/conv2d.hpp"

namespace bsg::ops {

// Kernels cut a plane into stride * stride phases, so a stride costs memory whatever the input's size.
inline constexpr int kMaxConv2dStride = 256;

struct Conv2dOptions {
  int stride = 1;  // at most kMaxConv2dStride
  int padding = 0;
  int dilation = 1;
};

// x [N, C, H, W], weight [K, C, R, S], bias [K] or Var() for none -> [N, K, OH, OW] (kernels/conv2d/conv2d.hpp). All
// f32 or all f64; or x and the result bf16 beside parameters of f32, of which the products take a copy in bf16.
// Gradients for x, weight and bias, each of its type. Throws ShapeError.
Var conv2d(Context& context, const Var& x, const Var& weight, const Var& bias, const Conv2dOptions& options);

// What conv2d and its gated forms share: all checks on x, weight and options. Throws ShapeError that begins with `op`.
kernels::Conv2dShape checked_conv2d_shape(std::string_view op, const Var& x, const Var& weight,
                                          const Conv2dOptions& options);

}  // namespace bsg::ops
