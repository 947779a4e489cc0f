// The residual block of a 1x1, a 3x3 and a 1x1 convolution (He et al. 2016, figure 5 right), plain or gated.
#pragma once

#include <string>
#include <vector>

#include "engine/nn/layers.hpp"
#include "engine/nn/network.hpp"
#include "models/gating.hpp"
#include "models/shortcut.hpp"

namespace bsg::models {

// relu(bn3(conv3(g2 * relu(bn2(conv2(g1 * relu(bn1(conv1 x))))))) + shortcut(x)). Both gates look at the block's input,
// so that they are known before the block begins. The stride and the dilation are conv2's, as in public checkpoints;
// the result has kExpansion times `width` channels. Parameters: conv{1,2,3}.weight, bn{1,2,3}.*, downsample.*, gate1.*,
// gate2.*
class Bottleneck : public nn::Module {
 public:
  static constexpr int kExpansion = 4;

  // gate_config null: the block is not gated.
  Bottleneck(Context& context, Generator& random, int in_channels, int width, int stride, const GateConfig* gate_config,
             int dilation = 1);
  Var forward(const nn::Pass& pass, const Var& x, std::vector<nn::GateTrace>& traces) const;
  inference::Value lower(inference::Graph& graph, inference::Value x) const;
  // Adds the block's cost for an input of height x width, which become those of its result.
  void count(const std::string& name, int& height, int& width, nn::MacModel& macs) const;

  nn::Conv2d& conv1;
  nn::BatchNorm& bn1;
  nn::Conv2d& conv2;
  nn::BatchNorm& bn2;
  nn::Conv2d& conv3;
  nn::BatchNorm& bn3;
  Projection* const downsample;  // null: the shortcut is the input
  GatingModule* const gate1;     // of conv1's channels; null: the block is not gated
  GatingModule* const gate2;     // of conv2's channels

 private:
  int in_channels_, width_, stride_;
};

}  // namespace bsg::models
