#pragma once

#include "engine/train/recipe.hpp"
#include "models/registry.hpp"

namespace bsg::tools {

// The network that a recipe names.
inline models::NetworkConfig network_config(const train::Recipe::Model& model, std::size_t classes, int height,
                                            int width) {
  return {.arch = model.arch,
          .classes = static_cast<int>(classes),
          .height = height,
          .width = width,
          .gate = {.hidden = static_cast<int>(model.gate_hidden),
                   .bias = model.gate_bias,
                   .noise = model.gate_noise,
                   .temperature = model.temperature},
          .base_channels = static_cast<int>(model.base_channels)};
}

}  // namespace bsg::tools
