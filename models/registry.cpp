#include "models/registry.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

#include "engine/core/error.hpp"
#include "models/pspnet.hpp"
#include "models/resnet_cifar.hpp"
#include "models/resnet_imagenet.hpp"

namespace bsg::models {
namespace {

struct CifarDepth {
  int depth;
  int blocks_per_stage;
};
constexpr std::array<CifarDepth, 5> kCifarDepths = {{{20, 3}, {32, 5}, {44, 7}, {56, 9}, {110, 18}}};

struct ImageNetDepth {
  int depth;
  std::array<int, 4> blocks;
  bool bottleneck;
};
constexpr std::array<ImageNetDepth, 4> kImageNetDepths = {
    {{18, {2, 2, 2, 2}, false}, {34, {3, 4, 6, 3}, false}, {50, {3, 4, 6, 3}, true}, {101, {3, 4, 23, 3}, true}}};

std::string name_of(std::string_view family, int depth, bool gated) {
  return fmt::format("{}{}{}", family, depth, gated ? "_bas" : "");
}
constexpr std::string_view kResNet = "resnet", kPspNet = "pspnet";

constexpr int kPspNetOutputStride = 8;

[[noreturn]] void fail_unknown(const std::string& arch) {
  throw_error<ConfigError>("arch: unknown name '{}'; known: {}", arch, fmt::join(arch_names(), ", "));
}

// The stream of a seed that initial values are drawn from; training draws from others.
constexpr std::uint64_t kInitialValuesStream = 0x696e6974;

}  // namespace

std::vector<std::string> arch_names() {
  std::vector<std::string> names;
  const auto add = [&](std::string_view family, int depth) {
    for (const bool gated : {false, true}) names.push_back(name_of(family, depth, gated));
  };
  for (const CifarDepth& entry : kCifarDepths) add(kResNet, entry.depth);
  for (const std::string_view family : {kResNet, kPspNet})
    for (const ImageNetDepth& entry : kImageNetDepths) add(family, entry.depth);
  return names;
}

int image_size(const std::string& arch) {
  for (const bool gated : {false, true}) {
    for (const CifarDepth& entry : kCifarDepths)
      if (arch == name_of(kResNet, entry.depth, gated)) return 32;
    for (const ImageNetDepth& entry : kImageNetDepths) {
      if (arch == name_of(kResNet, entry.depth, gated)) return 224;
      if (arch == name_of(kPspNet, entry.depth, gated)) return 473;
    }
  }
  fail_unknown(arch);
}

nn::Task task(const std::string& arch) {
  for (const bool gated : {false, true})
    for (const ImageNetDepth& entry : kImageNetDepths)
      if (arch == name_of(kPspNet, entry.depth, gated)) return nn::Task::segmentation;
  if (std::ranges::count(arch_names(), arch) == 0) fail_unknown(arch);
  return nn::Task::classification;
}

std::unique_ptr<nn::Network> make_network(Context& context, const NetworkConfig& config, std::uint64_t seed) {
  Generator random(seed, kInitialValuesStream);
  for (const bool gated : {false, true}) {
    for (const CifarDepth& entry : kCifarDepths) {
      if (config.arch != name_of(kResNet, entry.depth, gated)) continue;
      if (config.base_channels != 0)
        throw_error<ConfigError>(
            "arch: {} has its own channels, base_channels {} is for ImageNet's ResNets and PSPNets", config.arch,
            config.base_channels);
      return std::make_unique<CifarResNet>(
          context, random,
          CifarResNetConfig{entry.blocks_per_stage, config.classes, gated, config.height, config.width, config.gate});
    }
    for (const ImageNetDepth& entry : kImageNetDepths) {
      ImageNetResNetConfig resnet{.blocks = entry.blocks,
                                  .bottleneck = entry.bottleneck,
                                  .classes = config.classes,
                                  .gated = gated,
                                  .height = config.height,
                                  .width = config.width,
                                  .gate = config.gate};
      if (config.base_channels != 0) resnet.base_channels = config.base_channels;
      if (config.arch == name_of(kResNet, entry.depth, gated))
        return std::make_unique<ImageNetResNet>(context, random, resnet);
      resnet.output_stride = kPspNetOutputStride;
      if (config.arch == name_of(kPspNet, entry.depth, gated)) return std::make_unique<PspNet>(context, random, resnet);
    }
  }
  fail_unknown(config.arch);
}

}  // namespace bsg::models
