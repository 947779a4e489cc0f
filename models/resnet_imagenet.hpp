// ResNets for ImageNet (He et al. 2016, table 1): a 7x7 stem, a pool and four stages of basic blocks (ResNet-18, -34)
// or bottlenecks (-50, -101) with projection shortcuts. Plain, or with gating modules in every block (BAS).
#pragma once

#include <array>
#include <variant>
#include <vector>

#include "engine/nn/layers.hpp"
#include "engine/nn/network.hpp"
#include "models/basic_block.hpp"
#include "models/bottleneck.hpp"

namespace bsg::models {

struct ImageNetResNetConfig {
  std::array<int, 4> blocks = {2, 2, 2, 2};  // of each stage
  bool bottleneck = false;
  int classes = 1000;
  bool gated = false;
  int height = 224, width = 224;  // of the images, for the MAC accounting and inference
  GateConfig gate = {};
  int base_channels = 64;  // of the stem and the first stage
};

// Parameters: conv1.weight, bn1.*, layer{1,2,3,4}.{0..}.* (BasicBlock's or Bottleneck's), fc.*: those of public
// checkpoints, and gates.
class ImageNetResNet : public nn::Network {
 public:
  // Initial values come from `random` alone.
  ImageNetResNet(Context& context, Generator& random, const ImageNetResNetConfig& config);

  Var forward(const nn::Pass& pass, const Var& images, std::vector<nn::GateTrace>& traces) override;
  const nn::MacModel& macs() const override { return macs_; }
  void lower(inference::Graph& graph) const override;

  nn::Conv2d& conv1;
  nn::BatchNorm& bn1;

 private:
  template <class Block>
  void add_stages(Context& context, Generator& random);

  ImageNetResNetConfig config_;
  int channels_;        // of the last block that was added
  int height_, width_;  // of its result
  std::vector<std::variant<BasicBlock*, Bottleneck*>> blocks_;
  nn::Linear* fc_ = nullptr;
  nn::MacModel macs_;
};

}  // namespace bsg::models
