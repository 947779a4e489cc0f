#pragma once

#include "engine/nn/network.hpp"

namespace bsg::test {

// Parameters and running statistics all different from their initial values.
inline void stir(nn::Network& network, std::uint64_t seed) {
  Generator random(seed);
  for (auto& [name, tensor] : network.state()) {
    if (tensor->shape().rank() != 1) continue;
    const bool positive = name.ends_with("running_var") || name.ends_with("weight");
    for (float& value : tensor->span<float>())
      value = static_cast<float>(positive ? 0.5 + random.uniform() : 0.5 * random.normal());
  }
}

}  // namespace bsg::test
