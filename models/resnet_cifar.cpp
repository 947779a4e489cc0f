#include "models/resnet_cifar.hpp"

#include <fmt/format.h>

#include "engine/core/error.hpp"
#include "engine/ops/gated_conv2d.hpp"
#include "engine/ops/global_average_pool.hpp"
#include "engine/ops/option_a_shortcut.hpp"

namespace bsg::models {
namespace {

constexpr int kStemChannels = 16;

std::unique_ptr<nn::Conv2d> conv3x3(Context& context, Generator& random, int in_channels, int out_channels,
                                    int stride) {
  return std::make_unique<nn::Conv2d>(context, random, in_channels, out_channels, 3,
                                      ops::Conv2dOptions{.stride = stride, .padding = 1});
}

// Output extent of a 3x3 convolution with padding 1.
int strided(int extent, int stride) { return (extent - 1) / stride + 1; }

}  // namespace

BasicBlock::BasicBlock(Context& context, Generator& random, int in_channels, int out_channels, int stride,
                       const GateConfig* gate_config)
    : conv1(add_module("conv1", conv3x3(context, random, in_channels, out_channels, stride))),
      bn1(add_module("bn1", std::make_unique<nn::BatchNorm>(context, out_channels))),
      conv2(add_module("conv2", conv3x3(context, random, out_channels, out_channels, 1))),
      bn2(add_module("bn2", std::make_unique<nn::BatchNorm>(context, out_channels))),
      gate(gate_config == nullptr ? nullptr
                                  : &add_module("gate", std::make_unique<GatingModule>(context, random, in_channels,
                                                                                       out_channels, *gate_config))),
      in_channels_(in_channels),
      out_channels_(out_channels),
      stride_(stride) {}

Var BasicBlock::forward(const nn::Pass& pass, const Var& x, std::vector<nn::GateTrace>& traces) const {
  const Var hidden = bn1.forward(pass, conv1.forward(pass, x), true);
  Var out;
  if (gate == nullptr) {
    out = conv2.forward(pass, hidden);
  } else {
    traces.push_back(gate->forward(pass, x));
    out = ops::gated_input_conv2d(pass.context, hidden, traces.back().gate, pass.use(conv2.weight), conv2.options);
  }
  const bool same_shape = stride_ == 1 && in_channels_ == out_channels_;
  const Var shortcut = same_shape ? x : ops::option_a_shortcut(pass.context, x, out_channels_, stride_);
  return bn2.forward(pass, out, true, shortcut);
}

inference::Value BasicBlock::lower(inference::Graph& graph, inference::Value x) const {
  std::optional<inference::Gate> decided;
  if (gate != nullptr) decided = gate->lower(graph, x);
  const inference::Value hidden = graph.convolution(x, conv1, bn1, {.output_gate = decided, .relu = true});
  return graph.convolution(hidden, conv2, bn2,
                           {.input_gate = decided, .residual = x, .residual_stride = stride_, .relu = true});
}

CifarResNet::CifarResNet(Context& context, Generator& random, const CifarResNetConfig& config)
    : conv1(add_module("conv1", conv3x3(context, random, 3, kStemChannels, 1))),
      bn1(add_module("bn1", std::make_unique<nn::BatchNorm>(context, kStemChannels))),
      config_(config) {
  if (config.blocks_per_stage < 1 || config.classes < 1 || config.height < 1 || config.width < 1)
    throw_error<ConfigError>("CIFAR ResNet: {} blocks a stage, {} classes, images {}x{}: all must be at least 1",
                             config.blocks_per_stage, config.classes, config.width, config.height);
  int channels = kStemChannels, height = config.height, width = config.width;
  macs_.dense = std::int64_t{9} * 3 * kStemChannels * height * width;
  macs_.fixed = macs_.dense;
  // A stage is a module of its own only for the names' sake: layer1.0, layer1.1, ...
  struct Stage : nn::Module {
    BasicBlock& add(int index, std::unique_ptr<BasicBlock> block) {
      return add_module(std::to_string(index), std::move(block));
    }
  };
  for (int stage = 0; stage < 3; ++stage) {
    Stage& layer = add_module(fmt::format("layer{}", stage + 1), std::make_unique<Stage>());
    const int out_channels = kStemChannels << stage;
    for (int index = 0; index < config.blocks_per_stage; ++index) {
      const int stride = stage > 0 && index == 0 ? 2 : 1;
      blocks_.push_back(&layer.add(index, std::make_unique<BasicBlock>(context, random, channels, out_channels, stride,
                                                                       config.gated ? &config.gate : nullptr)));
      height = strided(height, stride);
      width = strided(width, stride);
      const std::int64_t macs_per_gate = std::int64_t{9} * (channels + out_channels) * height * width;
      macs_.dense += out_channels * macs_per_gate;
      if (config.gated) {
        macs_.layers.push_back({fmt::format("layer{}.{}", stage + 1, index), out_channels, macs_per_gate});
        macs_.gating += blocks_.back()->gate->macs();
      } else {
        macs_.fixed += out_channels * macs_per_gate;
      }
      channels = out_channels;
    }
  }
  linear_ = &add_module("linear", std::make_unique<nn::Linear>(context, random, channels, config.classes, true));
  macs_.dense += linear_->weight.value.numel();
  macs_.fixed += linear_->weight.value.numel() + macs_.gating;
  name_tree();
}

Var CifarResNet::forward(const nn::Pass& pass, const Var& images, std::vector<nn::GateTrace>& traces) {
  Var x = bn1.forward(pass, conv1.forward(pass, images), true);
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
