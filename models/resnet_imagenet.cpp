#include "models/resnet_imagenet.hpp"

#include <algorithm>
#include <type_traits>

#include <fmt/format.h>

#include "engine/core/error.hpp"
#include "engine/ops/global_average_pool.hpp"
#include "engine/ops/max_pool2d.hpp"
#include "models/extents.hpp"
#include "models/stage.hpp"

namespace bsg::models {
namespace {

constexpr int kStemKernel = 7, kStemPadding = 3, kPoolKernel = 3, kPoolPadding = 1;

}  // namespace

ImageNetResNet::ImageNetResNet(Context& context, Generator& random, const ImageNetResNetConfig& config)
    : conv1(
          add_module("conv1", std::make_unique<nn::Conv2d>(context, random, 3, config.base_channels, kStemKernel,
                                                           ops::Conv2dOptions{.stride = 2, .padding = kStemPadding}))),
      bn1(add_module("bn1", std::make_unique<nn::BatchNorm>(context, config.base_channels))),
      config_(config),
      channels_(config.base_channels),
      height_(extent_after(config.height, kStemKernel, 2, kStemPadding)),
      width_(extent_after(config.width, kStemKernel, 2, kStemPadding)) {
  if (std::ranges::any_of(config.blocks, [](int blocks) { return blocks < 1; }) || config.classes < 1 ||
      config.height < 1 || config.width < 1 || config.base_channels < 1)
    throw_error<ConfigError>(
        "ImageNet ResNet: {} blocks, {} classes, images {}x{}, {} base channels: all must be at least 1",
        fmt::join(config.blocks, ", "), config.classes, config.width, config.height, config.base_channels);
  macs_.add_fixed(std::int64_t{kStemKernel} * kStemKernel * 3 * channels_ * height_ * width_);
  height_ = extent_after(height_, kPoolKernel, 2, kPoolPadding);
  width_ = extent_after(width_, kPoolKernel, 2, kPoolPadding);
  if (config.bottleneck) {
    add_stages<Bottleneck>(context, random);
  } else {
    add_stages<BasicBlock>(context, random);
  }
  fc_ = &add_module("fc", std::make_unique<nn::Linear>(context, random, channels_, config.classes, true));
  macs_.add_fixed(fc_->weight.value.numel());
  name_tree();
}

template <class Block>
void ImageNetResNet::add_stages(Context& context, Generator& random) {
  const GateConfig* const gate = config_.gated ? &config_.gate : nullptr;
  for (std::size_t stage = 0; stage < config_.blocks.size(); ++stage) {
    const std::string name = fmt::format("layer{}", stage + 1);
    Stage<Block>& layer = add_module(name, std::make_unique<Stage<Block>>());
    const int width = config_.base_channels << stage;
    for (int index = 0; index < config_.blocks[stage]; ++index) {
      const int stride = stage > 0 && index == 0 ? 2 : 1;
      std::unique_ptr<Block> block;
      if constexpr (std::is_same_v<Block, Bottleneck>) {
        block = std::make_unique<Block>(context, random, channels_, width, stride, gate);
        channels_ = Bottleneck::kExpansion * width;
      } else {
        block = std::make_unique<Block>(context, random, channels_, width, stride, Shortcut::projection, gate);
        channels_ = width;
      }
      block->count(fmt::format("{}.{}", name, index), height_, width_, macs_);
      blocks_.emplace_back(&layer.add(index, std::move(block)));
    }
  }
}

Var ImageNetResNet::forward(const nn::Pass& pass, const Var& images, std::vector<nn::GateTrace>& traces) {
  Var x = bn1.forward(pass, conv1.forward(pass, pass.activations(images)), true);
  x = ops::max_pool2d(pass.context, x, {.kernel = kPoolKernel, .stride = 2, .padding = kPoolPadding});
  for (const auto& block : blocks_) x = std::visit([&](const auto* b) { return b->forward(pass, x, traces); }, block);
  return fc_->forward(pass, ops::global_average_pool(pass.context, x));
}

void ImageNetResNet::lower(inference::Graph& graph) const {
  inference::Value x = graph.image(3, config_.height, config_.width);
  x = graph.convolution(x, conv1, bn1, {.relu = true});
  x = graph.max_pool(x, {.kernel = kPoolKernel, .stride = 2, .padding = kPoolPadding});
  for (const auto& block : blocks_) x = std::visit([&](const auto* b) { return b->lower(graph, x); }, block);
  graph.classifier(x, *fc_);
}

}  // namespace bsg::models
