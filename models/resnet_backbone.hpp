// What the ResNets for ImageNet (He et al. 2016, table 1) compute before their classifier: a 7x7 stem, a pool and four
// stages of basic blocks (ResNet-18, -34) or bottlenecks (-50, -101) with projection shortcuts. Plain, or with gating
// modules in every block (BAS). With an output stride below 32 the last stages keep the plane's size and dilate their
// 3x3 convolutions instead (Yu et al. 2017), as segmentation wants it.
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
  // Pixels of an image for a pixel of the last stage, along each axis: 32; 16, where the fourth stage has stride 1 and
  // dilation 2; or 8, where the third has that and the fourth stride 1 and dilation 4. The first block of such a stage
  // has the dilation of the stage before, as torchvision's replace_stride_with_dilation.
  int output_stride = 32;
};

// Parameters: conv1.weight, bn1.*, layer{1,2,3,4}.{0..}.* (BasicBlock's or Bottleneck's): those of public checkpoints,
// and gates.
class ResNetBackbone : public nn::Network {
 public:
  const nn::MacModel& macs() const override { return macs_; }

  nn::Conv2d& conv1;
  nn::BatchNorm& bn1;

 protected:
  // What the last two stages give.
  template <class Activations>
  struct Features {
    Activations third, fourth;
  };

  // Adds the layers and counts their MACs. Throws ConfigError that begins with `network`, for a config that makes no
  // sense.
  ResNetBackbone(Context& context, Generator& random, std::string_view network, const ImageNetResNetConfig& config);

  Features<Var> features(const nn::Pass& pass, const Var& images, std::vector<nn::GateTrace>& traces) const;
  Features<inference::Value> lower_features(inference::Graph& graph) const;

  const ImageNetResNetConfig& config() const { return config_; }
  // Of the last stages' results; extents for images of the config's size.
  int third_channels() const { return third_channels_; }
  int channels() const { return channels_; }
  int height() const { return height_; }
  int width() const { return width_; }
  nn::MacModel& counted() { return macs_; }

 private:
  template <class Block>
  void add_stages(Context& context, Generator& random);

  const ImageNetResNetConfig config_;
  int channels_;        // of the last block that was added
  int height_, width_;  // of its result
  int third_channels_ = 0;
  std::size_t third_blocks_ = 0;  // blocks of the first three stages
  std::vector<std::variant<BasicBlock*, Bottleneck*>> blocks_;
  nn::MacModel macs_;
};

}  // namespace bsg::models
