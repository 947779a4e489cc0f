// What a residual block adds to its result when that has another shape than its input (He et al. 2016, section 3.3).
#pragma once

#include <memory>

#include "engine/nn/layers.hpp"

namespace bsg::models {

enum class Shortcut {
  option_a,    // every stride-th pixel, missing channels zero: no parameters
  projection,  // a 1x1 convolution with batch norm ("option B"); never gated
};

// A projection: parameters 0.weight and 1.*, the names of public checkpoints under "downsample".
class Projection : public nn::Module {
 public:
  Projection(Context& context, Generator& random, int in_channels, int out_channels, int stride)
      : conv(add_module("0", std::make_unique<nn::Conv2d>(context, random, in_channels, out_channels, 1,
                                                          ops::Conv2dOptions{.stride = stride}))),
        norm(add_module("1", std::make_unique<nn::BatchNorm>(context, out_channels))) {}
  Var forward(const nn::Pass& pass, const Var& x) const { return norm.forward(pass, conv.forward(pass, x), false); }

  nn::Conv2d& conv;
  nn::BatchNorm& norm;
};

}  // namespace bsg::models
