// The backward pass of a loss whose gradient was computed with it. Internal to the ops.
#pragma once

#include "engine/autograd/tape.hpp"
#include "engine/core/dispatch.hpp"

namespace bsg::ops {

// The gradient of input 0 is `gradient` times that of the loss, one number.
template <class T>
void hand_on(std::string_view op, BackwardPass& pass, const Tensor& gradient) {
  GradTarget target = pass.target(0, gradient.shape(), gradient.dtype());
  const Context& context = pass.context();
  const T* from = gradient.data<T>();
  const T* scale = pass.output().data<T>();
  T* to = target.tensor.data<T>();
  dispatch_float<T>(
      op, context,
      [&] {
        for (std::int64_t i = 0; i < gradient.numel(); ++i)
          to[i] = (target.accumulate ? to[i] : T{0}) + scale[0] * from[i];
      },
      [&](const auto& device) {
        device.scale(context.launch(), gradient.numel(), from, 1, scale, to, target.accumulate);
      });
}

}  // namespace bsg::ops
