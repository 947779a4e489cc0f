#include "models/bottleneck.hpp"

#include "engine/ops/gated_conv2d.hpp"
#include "models/extents.hpp"

namespace bsg::models {
namespace {

std::unique_ptr<nn::Conv2d> conv1x1(Context& context, Generator& random, int in_channels, int out_channels) {
  return std::make_unique<nn::Conv2d>(context, random, in_channels, out_channels, 1, ops::Conv2dOptions{});
}

std::unique_ptr<nn::BatchNorm> norm_of(Context& context, int channels) {
  return std::make_unique<nn::BatchNorm>(context, channels);
}

}  // namespace

Bottleneck::Bottleneck(Context& context, Generator& random, int in_channels, int width, int stride,
                       const GateConfig* gate_config, int dilation)
    : conv1(add_module("conv1", conv1x1(context, random, in_channels, width))),
      bn1(add_module("bn1", norm_of(context, width))),
      conv2(add_module("conv2", std::make_unique<nn::Conv2d>(
                                    context, random, width, width, 3,
                                    ops::Conv2dOptions{.stride = stride, .padding = dilation, .dilation = dilation}))),
      bn2(add_module("bn2", norm_of(context, width))),
      conv3(add_module("conv3", conv1x1(context, random, width, kExpansion * width))),
      bn3(add_module("bn3", norm_of(context, kExpansion * width))),
      downsample(stride != 1 || in_channels != kExpansion * width
                     ? &add_module("downsample", std::make_unique<Projection>(context, random, in_channels,
                                                                              kExpansion * width, stride))
                     : nullptr),
      gate1(gate_config == nullptr ? nullptr
                                   : &add_module("gate1", std::make_unique<GatingModule>(context, random, in_channels,
                                                                                         width, *gate_config))),
      gate2(gate_config == nullptr ? nullptr
                                   : &add_module("gate2", std::make_unique<GatingModule>(context, random, in_channels,
                                                                                         width, *gate_config))),
      in_channels_(in_channels),
      width_(width),
      stride_(stride) {}

Var Bottleneck::forward(const nn::Pass& pass, const Var& x, std::vector<nn::GateTrace>& traces) const {
  const auto gated = [&](const GatingModule* gate, const Var& hidden, const nn::Conv2d& conv) {
    if (gate == nullptr) return conv.forward(pass, hidden);
    traces.push_back(gate->forward(pass, x));
    return ops::gated_input_conv2d(pass.context, hidden, traces.back().gate, pass.use(conv.weight), conv.options);
  };
  const Var reduced = bn1.forward(pass, conv1.forward(pass, x), true);
  const Var middle = bn2.forward(pass, gated(gate1, reduced, conv2), true);
  const Var expanded = gated(gate2, middle, conv3);
  return bn3.forward(pass, expanded, true, downsample != nullptr ? downsample->forward(pass, x) : x);
}

inference::Value Bottleneck::lower(inference::Graph& graph, inference::Value x) const {
  std::optional<inference::Gate> first, second;
  if (gate1 != nullptr) {
    first = gate1->lower(graph, x);
    second = gate2->lower(graph, x);
  }
  const inference::Value reduced = graph.convolution(x, conv1, bn1, {.output_gate = first, .relu = true});
  const inference::Value middle =
      graph.convolution(reduced, conv2, bn2, {.output_gate = second, .input_gate = first, .relu = true});
  const inference::Value residual =
      downsample != nullptr ? graph.convolution(x, downsample->conv, downsample->norm) : x;
  return graph.convolution(middle, conv3, bn3, {.input_gate = second, .residual = residual, .relu = true});
}

void Bottleneck::count(const std::string& name, int& height, int& width, nn::MacModel& macs) const {
  const std::int64_t before = std::int64_t{height} * width;
  // The padding makes up for the dilation.
  height = extent_after(height, 3, stride_, 1);
  width = extent_after(width, 3, stride_, 1);
  const std::int64_t after = std::int64_t{height} * width;
  if (downsample != nullptr) macs.add_fixed(after * in_channels_ * kExpansion * width_);
  const std::int64_t per_reduced = before * in_channels_, per_pair = 9 * after,
                     per_middle = after * kExpansion * width_;
  if (gate1 == nullptr) {
    macs.add_fixed(width_ * (per_reduced + width_ * per_pair + per_middle));
  } else {
    macs.add_layer({name + ".1", width_, per_reduced}, gate1->macs());
    macs.add_layer({name + ".2", width_, per_middle, per_pair}, gate2->macs());
  }
}

}  // namespace bsg::models
