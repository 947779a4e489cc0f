// ResNets for ImageNet: the backbone, a global average pool and a linear classifier.
#pragma once

#include <vector>

#include "models/resnet_backbone.hpp"

namespace bsg::models {

// Parameters: the backbone's and fc.*: those of public checkpoints, and gates.
class ImageNetResNet : public ResNetBackbone {
 public:
  // Initial values come from `random` alone.
  ImageNetResNet(Context& context, Generator& random, const ImageNetResNetConfig& config);

  Var forward(const nn::Pass& pass, const Var& images, std::vector<nn::GateTrace>& traces) override;
  void lower(inference::Graph& graph) const override;

 private:
  nn::Linear& fc_;
};

}  // namespace bsg::models
