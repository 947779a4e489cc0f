#include "models/resnet_backbone.hpp"

#include <algorithm>
#include <type_traits>

#include <fmt/format.h>

#include "engine/core/error.hpp"
#include "engine/ops/max_pool2d.hpp"
#include "models/extents.hpp"
#include "models/stage.hpp"

namespace bsg::models {
namespace {

constexpr int kStemKernel = 7, kStemPadding = 3, kPoolKernel = 3, kPoolPadding = 1;

const ImageNetResNetConfig& checked(std::string_view network, const ImageNetResNetConfig& config) {
  if (std::ranges::any_of(config.blocks, [](int blocks) { return blocks < 1; }) || config.classes < 1 ||
      config.height < 1 || config.width < 1 || config.base_channels < 1)
    throw_error<ConfigError>("{}: {} blocks, {} classes, images {}x{}, {} base channels: all must be at least 1",
                             network, fmt::join(config.blocks, ", "), config.classes, config.width, config.height,
                             config.base_channels);
  if (config.output_stride != 8 && config.output_stride != 16 && config.output_stride != 32)
    throw_error<ConfigError>("{}: output stride {}, expected 8, 16 or 32", network, config.output_stride);
  return config;
}

}  // namespace

ResNetBackbone::ResNetBackbone(Context& context, Generator& random, std::string_view network,
                               const ImageNetResNetConfig& config)
    : conv1(add_module(
          "conv1", std::make_unique<nn::Conv2d>(context, random, 3, checked(network, config).base_channels, kStemKernel,
                                                ops::Conv2dOptions{.stride = 2, .padding = kStemPadding}))),
      bn1(add_module("bn1", std::make_unique<nn::BatchNorm>(context, config.base_channels))),
      config_(config),
      channels_(config.base_channels),
      height_(extent_after(config.height, kStemKernel, 2, kStemPadding)),
      width_(extent_after(config.width, kStemKernel, 2, kStemPadding)) {
  macs_.add_fixed(std::int64_t{kStemKernel} * kStemKernel * 3 * channels_ * height_ * width_);
  height_ = extent_after(height_, kPoolKernel, 2, kPoolPadding);
  width_ = extent_after(width_, kPoolKernel, 2, kPoolPadding);
  if (config.bottleneck) {
    add_stages<Bottleneck>(context, random);
  } else {
    add_stages<BasicBlock>(context, random);
  }
}

template <class Block>
void ResNetBackbone::add_stages(Context& context, Generator& random) {
  const GateConfig* const gate = config_.gated ? &config_.gate : nullptr;
  int reached = 4, dilation = 1;  // the output stride so far, the dilation of the stage
  for (std::size_t stage = 0; stage < config_.blocks.size(); ++stage) {
    const std::string name = fmt::format("layer{}", stage + 1);
    Stage<Block>& layer = add_module(name, std::make_unique<Stage<Block>>());
    const int width = config_.base_channels << stage;
    const int dilation_before = dilation;
    int first_stride = 1;
    if (stage > 0 && reached < config_.output_stride) {
      first_stride = 2;
      reached *= 2;
    } else if (stage > 0) {
      dilation *= 2;
    }
    for (int index = 0; index < config_.blocks[stage]; ++index) {
      const int stride = index == 0 ? first_stride : 1;
      const int dilated = index == 0 ? dilation_before : dilation;
      std::unique_ptr<Block> block;
      if constexpr (std::is_same_v<Block, Bottleneck>) {
        block = std::make_unique<Block>(context, random, channels_, width, stride, gate, dilated);
        channels_ = Bottleneck::kExpansion * width;
      } else {
        block = std::make_unique<Block>(context, random, channels_, width, stride, Shortcut::projection, gate, dilated);
        channels_ = width;
      }
      block->count(fmt::format("{}.{}", name, index), height_, width_, macs_);
      blocks_.emplace_back(&layer.add(index, std::move(block)));
    }
    if (stage == 2) {
      third_channels_ = channels_;
      third_blocks_ = blocks_.size();
    }
  }
}

ResNetBackbone::Features<Var> ResNetBackbone::features(const nn::Pass& pass, const Var& images,
                                                       std::vector<nn::GateTrace>& traces) const {
  Var x = bn1.forward(pass, conv1.forward(pass, pass.activations(images)), true), third;
  x = ops::max_pool2d(pass.context, x, {.kernel = kPoolKernel, .stride = 2, .padding = kPoolPadding});
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    x = std::visit([&](const auto* block) { return block->forward(pass, x, traces); }, blocks_[i]);
    if (i + 1 == third_blocks_) third = x;
  }
  return {third, x};
}

ResNetBackbone::Features<inference::Value> ResNetBackbone::lower_features(inference::Graph& graph) const {
  inference::Value x = graph.image(3, config_.height, config_.width), third;
  x = graph.convolution(x, conv1, bn1, {.relu = true});
  x = graph.max_pool(x, {.kernel = kPoolKernel, .stride = 2, .padding = kPoolPadding});
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    x = std::visit([&](const auto* block) { return block->lower(graph, x); }, blocks_[i]);
    if (i + 1 == third_blocks_) third = x;
  }
  return {third, x};
}

}  // namespace bsg::models
