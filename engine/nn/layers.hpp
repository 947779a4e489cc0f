// The layers that networks are made of: their parameters, initial values and forward pass.
#pragma once

#include "engine/nn/module.hpp"
#include "engine/ops/batch_norm.hpp"
#include "engine/ops/conv2d.hpp"

namespace bsg::nn {

// weight [K, C, R, S] from He et al. 2015: normal with variance 2 / (C R S). bias [K] uniform in +-1 / sqrt(C R S); or
// none, where batch norm follows.
class Conv2d : public Module {
 public:
  Conv2d(Context& context, Generator& random, int in_channels, int out_channels, int kernel, ops::Conv2dOptions options,
         bool with_bias = false);
  Var forward(const Pass& pass, const Var& x) const;

  Parameter& weight;
  Parameter* const bias;
  const ops::Conv2dOptions options;
};

// weight, bias, running_mean, running_var [C]; running statistics move by a tenth of the difference at every training
// pass.
class BatchNorm : public Module {
 public:
  static constexpr double kMomentum = 0.1;
  static constexpr double kEpsilon = 1e-5;

  BatchNorm(Context& context, int channels);
  Var forward(const Pass& pass, const Var& x, bool relu, const Var& residual = {}) const;

  Parameter& weight;
  Parameter& bias;
  Tensor& running_mean;
  Tensor& running_var;
};

// weight [O, I] normal with variance 2 / I; bias [O] uniform in +-1 / sqrt(I), or none.
class Linear : public Module {
 public:
  Linear(Context& context, Generator& random, int in_features, int out_features, bool with_bias);
  Var forward(const Pass& pass, const Var& x) const;

  Parameter& weight;
  Parameter* const bias;
};

}  // namespace bsg::nn
