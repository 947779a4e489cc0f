#include "models/basic_block.hpp"

#include "engine/ops/gated_conv2d.hpp"
#include "engine/ops/option_a_shortcut.hpp"
#include "models/extents.hpp"

namespace bsg::models {
namespace {

std::unique_ptr<nn::Conv2d> conv3x3(Context& context, Generator& random, int in_channels, int out_channels, int stride,
                                    int dilation) {
  return std::make_unique<nn::Conv2d>(context, random, in_channels, out_channels, 3,
                                      ops::Conv2dOptions{.stride = stride, .padding = dilation, .dilation = dilation});
}

}  // namespace

BasicBlock::BasicBlock(Context& context, Generator& random, int in_channels, int out_channels, int stride,
                       Shortcut shortcut, const GateConfig* gate_config, int dilation)
    : conv1(add_module("conv1", conv3x3(context, random, in_channels, out_channels, stride, dilation))),
      bn1(add_module("bn1", std::make_unique<nn::BatchNorm>(context, out_channels))),
      conv2(add_module("conv2", conv3x3(context, random, out_channels, out_channels, 1, dilation))),
      bn2(add_module("bn2", std::make_unique<nn::BatchNorm>(context, out_channels))),
      downsample(shortcut == Shortcut::projection && (stride != 1 || in_channels != out_channels)
                     ? &add_module("downsample",
                                   std::make_unique<Projection>(context, random, in_channels, out_channels, stride))
                     : nullptr),
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
  Var shortcut = x;
  if (downsample != nullptr) {
    shortcut = downsample->forward(pass, x);
  } else if (stride_ != 1 || in_channels_ != out_channels_) {
    shortcut = ops::option_a_shortcut(pass.context, x, out_channels_, stride_);
  }
  return bn2.forward(pass, out, true, shortcut);
}

inference::Value BasicBlock::lower(inference::Graph& graph, inference::Value x) const {
  std::optional<inference::Gate> decided;
  if (gate != nullptr) decided = gate->lower(graph, x);
  const inference::Value hidden = graph.convolution(x, conv1, bn1, {.output_gate = decided, .relu = true});
  inference::Value residual = x;
  if (downsample != nullptr) residual = graph.convolution(x, downsample->conv, downsample->norm);
  return graph.convolution(hidden, conv2, bn2,
                           {.input_gate = decided,
                            .residual = residual,
                            .residual_stride = downsample != nullptr ? 1 : stride_,
                            .relu = true});
}

void BasicBlock::count(const std::string& name, int& height, int& width, nn::MacModel& macs) const {
  // The padding makes up for the dilation.
  height = extent_after(height, 3, stride_, 1);
  width = extent_after(width, 3, stride_, 1);
  const std::int64_t pixels = std::int64_t{height} * width;
  if (downsample != nullptr) macs.add_fixed(pixels * in_channels_ * out_channels_);
  const std::int64_t per_channel = 9 * (in_channels_ + out_channels_) * pixels;
  if (gate == nullptr) {
    macs.add_fixed(out_channels_ * per_channel);
  } else {
    macs.add_layer({name, out_channels_, per_channel}, gate->macs());
  }
}

}  // namespace bsg::models
