// The gating module of batch-shaped networks (Ehteshami Bejnordi et al., ICLR 2020): it looks at a block's input and
// decides, for each image, which channels inside the block are computed.
#pragma once

#include <vector>

#include "engine/inference/graph.hpp"
#include "engine/nn/layers.hpp"
#include "engine/nn/network.hpp"

namespace bsg::models {

struct GateConfig {
  int hidden = 16;               // units of the hidden layer
  double bias = 0;               // added to the initial fc2.bias: > 0 opens the gates at the start
  double noise = 1;              // scale of the logistic noise in training; 0 trains without noise
  double temperature = 2.0 / 3;  // of the binary concrete distribution
};

// logit = fc2(relu(bn(fc1(mean over the plane of x)))): global average pool -> fc1 [hidden, C] -> bn -> ReLU -> fc2
// [gates, hidden]. All its parameters are marked as gating: the optimizer leaves them without weight decay.
class GatingModule : public nn::Module {
 public:
  GatingModule(Context& context, Generator& random, int in_channels, int gates, const GateConfig& config);

  // x [N, C, H, W] -> logits and gates, both [N, gates]. Training draws from the context's random numbers; otherwise
  // gate = 1[logit > 0].
  nn::GateTrace forward(const nn::Pass& pass, const Var& x) const;
  inference::Gate lower(inference::Graph& graph, inference::Value x) const;
  // Multiply-accumulates of fc1 and fc2 for one image.
  std::int64_t macs() const;

  nn::Linear& fc1;
  nn::BatchNorm& bn;
  nn::Linear& fc2;

 private:
  GateConfig config_;
};

}  // namespace bsg::models
