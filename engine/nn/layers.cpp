#include "engine/nn/layers.hpp"

#include <cmath>

#include "engine/ops/linear.hpp"

namespace bsg::nn {
namespace {

Tensor he_normal(Context& context, Generator& random, const Shape& shape) {
  Tensor tensor = Tensor::empty(context, shape);
  const std::int64_t fan_in = shape.numel() / shape[0];
  const double deviation = std::sqrt(2.0 / static_cast<double>(fan_in));
  for (float& value : tensor.span<float>()) value = static_cast<float>(random.normal() * deviation);
  return tensor;
}

Tensor uniform(Context& context, Generator& random, const Shape& shape, double bound) {
  Tensor tensor = Tensor::empty(context, shape);
  for (float& value : tensor.span<float>()) value = static_cast<float>((2 * random.uniform() - 1) * bound);
  return tensor;
}

}  // namespace

Conv2d::Conv2d(Context& context, Generator& random, int in_channels, int out_channels, int kernel,
               ops::Conv2dOptions conv_options, bool with_bias)
    : weight(add_parameter("weight", he_normal(context, random, {out_channels, in_channels, kernel, kernel}))),
      bias(with_bias
               ? &add_parameter("bias", uniform(context, random, {out_channels},
                                                1 / std::sqrt(static_cast<double>(in_channels) * kernel * kernel)))
               : nullptr),
      options(conv_options) {}

Var Conv2d::forward(const Pass& pass, const Var& x) const {
  return ops::conv2d(pass.context, x, pass.use(weight), bias != nullptr ? pass.use(*bias) : Var(), options);
}

BatchNorm::BatchNorm(Context& context, int channels)
    : weight(add_parameter("weight", Tensor::full(context, {channels}, 1))),
      bias(add_parameter("bias", Tensor::zeros(context, {channels}))),
      running_mean(add_buffer("running_mean", Tensor::zeros(context, {channels}))),
      running_var(add_buffer("running_var", Tensor::full(context, {channels}, 1))) {}

Var BatchNorm::forward(const Pass& pass, const Var& x, bool relu, const Var& residual) const {
  const ops::BatchNormOptions options{
      .training = pass.training, .momentum = kMomentum, .epsilon = kEpsilon, .relu = relu};
  return ops::batch_norm(pass.context, x, pass.use(weight), pass.use(bias), running_mean, running_var, options,
                         residual);
}

Linear::Linear(Context& context, Generator& random, int in_features, int out_features, bool with_bias)
    : weight(add_parameter("weight", he_normal(context, random, {out_features, in_features}))),
      bias(with_bias ? &add_parameter("bias", uniform(context, random, {out_features}, 1 / std::sqrt(in_features)))
                     : nullptr) {}

Var Linear::forward(const Pass& pass, const Var& x) const {
  return ops::linear(pass.context, x, pass.use(weight), bias != nullptr ? pass.use(*bias) : Var());
}

}  // namespace bsg::nn
