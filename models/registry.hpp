// Networks by name.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/nn/network.hpp"
#include "models/gating.hpp"

namespace bsg::models {

struct NetworkConfig {
  std::string arch;  // "resnet20", "resnet20_bas", "resnet32", ...
  int classes = 10;
  int height = 32, width = 32;
  GateConfig gate = {};
};

// Every name that make_network takes.
std::vector<std::string> arch_names();

// Throws ConfigError, listing the known names, for an unknown one. Initial values come from the seed alone.
std::unique_ptr<nn::Network> make_network(Context& context, const NetworkConfig& config, std::uint64_t seed);

}  // namespace bsg::models
