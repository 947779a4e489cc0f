#include "models/resnet_cifar.hpp"

#include <fmt/format.h>

#include "engine/core/error.hpp"
#include "engine/ops/global_average_pool.hpp"
#include "models/stage.hpp"

namespace bsg::models {
namespace {

constexpr int kStemChannels = 16;

}  // namespace

CifarResNet::CifarResNet(Context& context, Generator& random, const CifarResNetConfig& config)
    : conv1(add_module("conv1", std::make_unique<nn::Conv2d>(context, random, 3, kStemChannels, 3,
                                                             ops::Conv2dOptions{.padding = 1}))),
      bn1(add_module("bn1", std::make_unique<nn::BatchNorm>(context, kStemChannels))),
      config_(config) {
  if (config.blocks_per_stage < 1 || config.classes < 1 || config.height < 1 || config.width < 1)
    throw_error<ConfigError>("CIFAR ResNet: {} blocks a stage, {} classes, images {}x{}: all must be at least 1",
                             config.blocks_per_stage, config.classes, config.width, config.height);
  int channels = kStemChannels, height = config.height, width = config.width;
  macs_.dense = std::int64_t{9} * 3 * kStemChannels * height * width;
  macs_.fixed = macs_.dense;
  for (int stage = 0; stage < 3; ++stage) {
    Stage<BasicBlock>& layer = add_module(fmt::format("layer{}", stage + 1), std::make_unique<Stage<BasicBlock>>());
    const int out_channels = kStemChannels << stage;
    for (int index = 0; index < config.blocks_per_stage; ++index) {
      const int stride = stage > 0 && index == 0 ? 2 : 1;
      blocks_.push_back(
          &layer.add(index, std::make_unique<BasicBlock>(context, random, channels, out_channels, stride,
                                                         Shortcut::option_a, config.gated ? &config.gate : nullptr)));
      blocks_.back()->count(fmt::format("layer{}.{}", stage + 1, index), height, width, macs_);
      channels = out_channels;
    }
  }
  linear_ = &add_module("linear", std::make_unique<nn::Linear>(context, random, channels, config.classes, true));
  macs_.dense += linear_->weight.value.numel();
  macs_.fixed += linear_->weight.value.numel();
  name_tree();
}

Var CifarResNet::forward(const nn::Pass& pass, const Var& images, std::vector<nn::GateTrace>& traces) {
  Var x = bn1.forward(pass, conv1.forward(pass, pass.activations(images)), true);
  for (const BasicBlock* block : blocks_) x = block->forward(pass, x, traces);
  return linear_->forward(pass, ops::global_average_pool(pass.context, x));
}

void CifarResNet::lower(inference::Graph& graph) const {
  inference::Value x = graph.image(3, config_.height, config_.width);
  x = graph.convolution(x, conv1, bn1, {.relu = true});
  for (const BasicBlock* block : blocks_) x = block->lower(graph, x);
  graph.classifier(x, *linear_);
}

}  // namespace bsg::models
