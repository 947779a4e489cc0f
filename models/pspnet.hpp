// PSPNet (Zhao et al. 2017): a class for every pixel. A dilated ResNet's result is pooled to 1x1, 2x2, 3x3 and 6x6
// windows; each pyramid level, reduced and enlarged again, lies beside the result in front of the head. Gates are the
// ResNet's: the head has none.
#pragma once

#include <array>
#include <vector>

#include "models/resnet_backbone.hpp"

namespace bsg::models {

// A 3x3 convolution with batch norm and ReLU, channel dropout, and a 1x1 convolution with bias to one score a class.
// Parameters: conv.weight, bn.*, classifier.{weight, bias}.
class ScoreHead : public nn::Module {
 public:
  static constexpr double kDropout = 0.1;

  ScoreHead(Context& context, Generator& random, int in_channels, int width, int classes);
  // x [N, C, H, W] -> scores of its pixels [N, classes, H, W], of x's type.
  Var forward(const nn::Pass& pass, const Var& x) const;
  // Multiply-accumulates for a pixel of x.
  std::int64_t macs_per_pixel() const;

  nn::Conv2d& conv;
  nn::BatchNorm& bn;
  nn::Conv2d& classifier;
};

// Parameters: the backbone's; ppm.{0..3}.{conv.weight, bn.*} of the pyramid's levels, to a quarter of the backbone's
// channels each; head.* and aux.*, each as wide as a quarter of the channels that the backbone's last and third stage
// give (512 and 256 for ResNet-50). Resizing is bilinear with align_corners = false.
class PspNet : public ResNetBackbone {
 public:
  static constexpr std::array<int, 4> kBins = {1, 2, 3, 6};

  // Initial values come from `random` alone. The config's output stride is 8 in the paper.
  PspNet(Context& context, Generator& random, const ImageNetResNetConfig& config);

  nn::Task task() const override { return nn::Task::segmentation; }
  // images [N, 3, H, W] of any size -> logits f32 [N, classes, H, W]. Training needs at least two images: the first
  // level has one value a channel in each.
  Var forward(const nn::Pass& pass, const Var& images, std::vector<nn::GateTrace>& traces) override;
  // In training with the auxiliary head's logits, which look at the third stage.
  nn::Scores scores(const nn::Pass& pass, const Var& images, std::vector<nn::GateTrace>& traces) override;
  void lower(inference::Graph& graph) const override;

 private:
  nn::Scores run(const nn::Pass& pass, const Var& images, std::vector<nn::GateTrace>& traces,
                 bool with_auxiliary) const;

  struct Level : nn::Module {
    Level(Context& context, Generator& random, int in_channels, int out_channels);
    nn::Conv2d& conv;
    nn::BatchNorm& bn;
  };

  std::vector<Level*> levels_;
  ScoreHead* head_ = nullptr;
  ScoreHead* auxiliary_ = nullptr;
};

}  // namespace bsg::models
