// Stochastic gradient descent over a flat buffer of parameters on the device (engine/optim/sgd.hpp has the formula).
#pragma once

#include <cstdint>

#include "kernels/common/launch.hpp"
#include "kernels/simt/number.hpp"

namespace bsg::kernels::device {

struct SgdStep {
  double learning_rate = 0.1;
  double weight_decay = 0;
  double momentum = 0.9;
  bool nesterov = true;
};

// For each of `count` parameters of one group: g = gradient + weight_decay * value; velocity = momentum * velocity + g;
// value -= learning_rate * (nesterov ? g + momentum * velocity : velocity). copy, or null: the new values in bf16, for
// the next forward pass.
void sgd_step(const Launch& launch, std::int64_t count, const SgdStep& step, const float* gradient, float* value,
              float* velocity, simt::bfloat16* copy);

}  // namespace bsg::kernels::device
