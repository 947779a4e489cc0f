// Networks by name.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/nn/network.hpp"
#include "models/gating.hpp"

namespace bsg::models {

struct NetworkConfig {
  // For small images "resnet20", 32, 44, 56, 110, for large ones "resnet18", 34, 50, 101; for pixels "pspnet18", 34,
  // 50, 101; each also with "_bas".
  std::string arch;
  int classes = 10;
  int height = 32, width = 32;
  GateConfig gate = {};
  int base_channels = 0;  // of the stem of the networks for large images and for pixels; 0: their own, 64
};

// Every name that make_network takes.
std::vector<std::string> arch_names();

// Side of the square images that networks of this name are made for, in pixels: 32, 224 or, for PSPNets, 473 (their
// usual crop). Throws as make_network does.
int image_size(const std::string& arch);

// What networks of this name say of images. Throws as make_network does.
nn::Task task(const std::string& arch);

// Throws ConfigError, listing the known names, for an unknown one. Initial values come from the seed alone.
std::unique_ptr<nn::Network> make_network(Context& context, const NetworkConfig& config, std::uint64_t seed);

}  // namespace bsg::models
