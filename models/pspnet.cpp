#include "models/pspnet.hpp"

#include <algorithm>
#include <string>

#include "engine/ops/adaptive_average_pool2d.hpp"
#include "engine/ops/bilinear_resize.hpp"
#include "engine/ops/cast.hpp"
#include "engine/ops/concat.hpp"
#include "engine/ops/dropout2d.hpp"
#include "models/stage.hpp"

namespace bsg::models {
namespace {

int quarter(int channels) { return std::max(1, channels / 4); }

std::unique_ptr<nn::Conv2d> convolution(Context& context, Generator& random, int in_channels, int out_channels,
                                        int kernel, bool with_bias = false) {
  return std::make_unique<nn::Conv2d>(context, random, in_channels, out_channels, kernel,
                                      ops::Conv2dOptions{.padding = kernel / 2}, with_bias);
}

Var resized(const nn::Pass& pass, const Var& x, const Shape& like) {
  return ops::bilinear_resize(pass.context, x, {.height = like[2], .width = like[3]});
}

}  // namespace

ScoreHead::ScoreHead(Context& context, Generator& random, int in_channels, int width, int classes)
    : conv(add_module("conv", convolution(context, random, in_channels, width, 3))),
      bn(add_module("bn", std::make_unique<nn::BatchNorm>(context, width))),
      classifier(add_module("classifier", convolution(context, random, width, classes, 1, true))) {}

Var ScoreHead::forward(const nn::Pass& pass, const Var& x) const {
  const Var hidden = bn.forward(pass, conv.forward(pass, x), true);
  return classifier.forward(pass, ops::dropout2d(pass.context, hidden, kDropout, pass.training));
}

std::int64_t ScoreHead::macs_per_pixel() const { return conv.weight.value.numel() + classifier.weight.value.numel(); }

PspNet::Level::Level(Context& context, Generator& random, int in_channels, int out_channels)
    : conv(add_module("conv", convolution(context, random, in_channels, out_channels, 1))),
      bn(add_module("bn", std::make_unique<nn::BatchNorm>(context, out_channels))) {}

PspNet::PspNet(Context& context, Generator& random, const ImageNetResNetConfig& config)
    : ResNetBackbone(context, random, "PSPNet", config) {
  const int reduced = quarter(channels());
  int joined = channels();
  Stage<Level>& pyramid = add_module("ppm", std::make_unique<Stage<Level>>());
  for (const int bins : kBins) {
    const int index = static_cast<int>(levels_.size());
    levels_.push_back(&pyramid.add(index, std::make_unique<Level>(context, random, channels(), reduced)));
    counted().add_fixed(levels_.back()->conv.weight.value.numel() * bins * bins);
    joined += reduced;
  }
  head_ =
      &add_module("head", std::make_unique<ScoreHead>(context, random, joined, quarter(channels()), config.classes));
  counted().add_fixed(head_->macs_per_pixel() * height() * width());
  auxiliary_ = &add_module(
      "aux", std::make_unique<ScoreHead>(context, random, third_channels(), quarter(third_channels()), config.classes));
  name_tree();
}

Var PspNet::forward(const nn::Pass& pass, const Var& images, std::vector<nn::GateTrace>& traces) {
  return run(pass, images, traces, false).logits;
}

nn::Scores PspNet::scores(const nn::Pass& pass, const Var& images, std::vector<nn::GateTrace>& traces) {
  return run(pass, images, traces, pass.training);
}

nn::Scores PspNet::run(const nn::Pass& pass, const Var& images, std::vector<nn::GateTrace>& traces,
                       bool with_auxiliary) const {
  const Features<Var> features = ResNetBackbone::features(pass, images, traces);
  std::vector<Var> joined = {features.fourth};
  for (std::size_t i = 0; i < levels_.size(); ++i) {
    const Var pooled = ops::adaptive_average_pool2d(pass.context, features.fourth, kBins[i], kBins[i]);
    const Var level = levels_[i]->bn.forward(pass, levels_[i]->conv.forward(pass, pooled), true);
    joined.push_back(resized(pass, level, features.fourth.shape()));
  }
  const auto logits = [&](const ScoreHead& head, const Var& x) {
    const Var scores = head.forward(pass, x);
    return resized(pass, ops::cast(pass.context, scores, parameter_type(scores.dtype())), images.shape());
  };
  nn::Scores scores{logits(*head_, ops::concat(pass.context, joined)), Var()};
  if (with_auxiliary) scores.auxiliary = logits(*auxiliary_, features.third);
  return scores;
}

void PspNet::lower(inference::Graph& graph) const {
  const inference::Value fourth = lower_features(graph).fourth;
  std::vector<inference::Value> joined = {fourth};
  for (std::size_t i = 0; i < levels_.size(); ++i) {
    const inference::Value pooled = graph.adaptive_average_pool(fourth, kBins[i], kBins[i]);
    joined.push_back(graph.convolution(pooled, levels_[i]->conv, levels_[i]->bn, {.relu = true}));
  }
  const inference::Value hidden = graph.convolution(graph.concat(joined), head_->conv, head_->bn, {.relu = true});
  graph.pixel_scores(graph.convolution(hidden, head_->classifier));
}

}  // namespace bsg::models
