// Networks for tests of inference: none of their weights, statistics and gates are what training starts from.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "models/resnet_cifar.hpp"
#include "tests/support/catch.hpp"

namespace bsg::test {

inline std::unique_ptr<models::CifarResNet> network_of(Context& context, models::CifarResNetConfig config,
                                                       std::uint64_t seed = 3) {
  Generator random(seed);
  auto network = std::make_unique<models::CifarResNet>(context, random, config);
  for (auto& [name, tensor] : network->state())
    if (name.find("bn") != std::string::npos)
      for (float& value : tensor->span<float>()) {
        const bool positive = name.ends_with("running_var") || name.ends_with("weight");
        value = static_cast<float>(positive ? 0.5 + random.uniform() : 0.3 * random.normal());
      }
  for (const models::BasicBlock* block : network->blocks())
    if (block->gate != nullptr)
      for (float& value : block->gate->fc2.bias->value.span<float>()) value = static_cast<float>(random.normal());
  return network;
}

// Every image finds gate i of each module on or off.
inline void set_gates(models::CifarResNet& network, const std::function<bool(std::int64_t)>& on) {
  for (const models::BasicBlock* block : network.blocks()) {
    block->gate->fc2.weight.value.fill(0);
    auto bias = block->gate->fc2.bias->value.span<float>();
    for (std::size_t i = 0; i < bias.size(); ++i) bias[i] = on(static_cast<std::int64_t>(i)) ? 1.0F : -1.0F;
  }
}

// NaN in all weights that only channels with a closed gate have.
inline void poison_closed_channels(models::CifarResNet& network, const std::function<bool(std::int64_t)>& on) {
  const float nan = std::nanf("");
  for (const models::BasicBlock* block : network.blocks()) {
    const std::int64_t channels = block->out_channels();
    for (std::int64_t i = 0; i < channels; ++i) {
      if (on(i)) continue;
      const std::int64_t row = 9 * block->in_channels();
      std::fill_n(block->conv1.weight.value.data<float>() + i * row, row, nan);
      block->bn1.bias.value.data<float>()[i] = nan;
      for (std::int64_t k = 0; k < channels; ++k)
        std::fill_n(block->conv2.weight.value.data<float>() + (k * channels + i) * 9, 9, nan);
    }
  }
}

inline double largest(const Tensor& tensor) {
  double value = 0;
  for (const float x : tensor.span<float>()) value = std::max(value, std::abs(static_cast<double>(x)));
  return value;
}

// Of finite values.
inline double largest_difference(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  double difference = 0;
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    REQUIRE(std::isfinite(a.data<float>()[i]));
    difference = std::max(difference, std::abs(static_cast<double>(a.data<float>()[i]) - b.data<float>()[i]));
  }
  return difference;
}

}  // namespace bsg::test
