#include "models/registry.hpp"

#include <array>

#include <fmt/format.h>

#include "engine/core/error.hpp"
#include "models/resnet_cifar.hpp"

namespace bsg::models {
namespace {

struct CifarDepth {
  int depth;
  int blocks_per_stage;
};
constexpr std::array<CifarDepth, 5> kCifarDepths = {{{20, 3}, {32, 5}, {44, 7}, {56, 9}, {110, 18}}};

// The stream of a seed that initial values are drawn from; training draws from others.
constexpr std::uint64_t kInitialValuesStream = 0x696e6974;

}  // namespace

std::vector<std::string> arch_names() {
  std::vector<std::string> names;
  for (const CifarDepth& entry : kCifarDepths)
    for (const char* suffix : {"", "_bas"}) names.push_back(fmt::format("resnet{}{}", entry.depth, suffix));
  return names;
}

std::unique_ptr<nn::Network> make_network(Context& context, const NetworkConfig& config, std::uint64_t seed) {
  Generator random(seed, kInitialValuesStream);
  for (const CifarDepth& entry : kCifarDepths)
    for (const bool gated : {false, true})
      if (config.arch == fmt::format("resnet{}{}", entry.depth, gated ? "_bas" : ""))
        return std::make_unique<CifarResNet>(
            context, random,
            CifarResNetConfig{entry.blocks_per_stage, config.classes, gated, config.height, config.width, config.gate});
  throw_error<ConfigError>("arch: unknown name '{}'; known: {}", config.arch, fmt::join(arch_names(), ", "));
}

}  // namespace bsg::models
