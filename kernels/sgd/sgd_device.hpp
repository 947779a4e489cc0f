// Stochastic gradient descent on the device (engine/optim/sgd.hpp has the formula).
#pragma once

#include <cstdint>
#include <span>

#include "kernels/common/launch.hpp"

namespace bsg::kernels::device {

struct SgdStep {
  double learning_rate = 0.1;
  double weight_decay = 0;
  double momentum = 0.9;
  bool nesterov = true;
};

// `count` numbers of one parameter.
struct SgdTensor {
  const float* gradient = nullptr;
  float* value = nullptr;
  float* velocity = nullptr;
  std::int64_t count = 0;
};

// A launch takes so many tensors: their table is an argument of the kernel, of which there are 4 KiB.
inline constexpr int kSgdTensors = 96;

// For each number of each tensor: g = gradient + weight_decay * value; velocity = momentum * velocity + g; value -=
// learning_rate * (nesterov ? g + momentum * velocity : velocity). One launch for each kSgdTensors of `tensors`, a span
// of the host.
void sgd_step(const Launch& launch, const SgdStep& step, std::span<const SgdTensor> tensors);

}  // namespace bsg::kernels::device
