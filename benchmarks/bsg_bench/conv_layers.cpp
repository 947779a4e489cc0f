#include "benchmarks/bsg_bench/conv_layers.hpp"

#include <fmt/format.h>

namespace bsg::bench {

std::string ConvLayer::name() const {
  return fmt::format("{0}x{0} {1}>{2} {3}x{3}{4}", kernel, inputs, outputs, size,
                     stride == 1 ? "" : fmt::format(" /{}", stride));
}

std::vector<ConvLayer> conv_layers() {
  std::vector<ConvLayer> layers;
  // Basic blocks of stages that start with `channels` at `size`.
  const auto basic = [&](const char* networks, const char* others, int stages, std::int64_t channels,
                         std::int64_t size) {
    for (int stage = 0; stage < stages; ++stage, channels *= 2, size /= 2) {
      if (stage > 0) layers.push_back({networks, 3, channels / 2, channels, size * 2, 2});
      layers.push_back({std::string(networks) + others, 3, channels, channels, size});
    }
  };
  basic("resnet20", "", 3, 16, 32);
  // Bottlenecks have the 3x3 convolutions of stride 1 of these.
  basic("resnet18 resnet34", " resnet50", 4, 64, 56);
  // The 1x1 projections of their shortcuts.
  for (std::int64_t channels = 64, size = 56; channels < 512; channels *= 2, size /= 2)
    layers.push_back({"resnet18 resnet34", 1, channels, channels * 2, size, 2, 0});
  // Bottlenecks, whose stride is in the 3x3 convolution.
  const char* const kBottleneck = "resnet50";
  layers.push_back({kBottleneck, 1, 64, 64, 56});
  for (std::int64_t width = 64, size = 56; width <= 512; width *= 2, size /= 2) {
    if (width > 64) {
      layers.push_back({kBottleneck, 1, width * 2, width, size * 2});
      layers.push_back({kBottleneck, 3, width, width, size * 2, 2, 0});
      layers.push_back({kBottleneck, 1, width * 2, width * 4, size * 2, 2, 0});
    }
    layers.push_back({kBottleneck, 1, width * 4, width, size});
    layers.push_back({kBottleneck, 1, width, width * 4, size, 1, 0});
  }
  return layers;
}

}  // namespace bsg::bench
