// The residual block of two 3x3 convolutions (He et al. 2016, figure 5 left), plain or with a gating module.
#pragma once

#include <string>
#include <vector>

#include "engine/nn/layers.hpp"
#include "engine/nn/network.hpp"
#include "models/gating.hpp"
#include "models/shortcut.hpp"

namespace bsg::models {

// relu(bn2(conv2(g * relu(bn1(conv1 x)))) + shortcut(x)) with g = gate(x); without a gating module g = 1. The stride is
// conv1's, the dilation both convolutions'. Parameters: conv1.weight, bn1.*, conv2.weight, bn2.*, downsample.*, gate.*
class BasicBlock : public nn::Module {
 public:
  // gate_config null: the block is not gated.
  BasicBlock(Context& context, Generator& random, int in_channels, int out_channels, int stride, Shortcut shortcut,
             const GateConfig* gate_config, int dilation = 1);
  Var forward(const nn::Pass& pass, const Var& x, std::vector<nn::GateTrace>& traces) const;
  inference::Value lower(inference::Graph& graph, inference::Value x) const;
  // Adds the block's cost for an input of height x width, which become those of its result.
  void count(const std::string& name, int& height, int& width, nn::MacModel& macs) const;

  int in_channels() const { return in_channels_; }
  int out_channels() const { return out_channels_; }

  nn::Conv2d& conv1;
  nn::BatchNorm& bn1;
  nn::Conv2d& conv2;
  nn::BatchNorm& bn2;
  Projection* const downsample;  // null: the shortcut is no projection
  GatingModule* const gate;      // null: the block is not gated

 private:
  int in_channels_, out_channels_, stride_;
};

}  // namespace bsg::models
