#include "engine/ops/relu.hpp"

#include "engine/core/dispatch.hpp"
#include "engine/ops/float_dispatch.hpp"
#include "kernels/elementwise/elementwise.hpp"

namespace bsg::ops {

Var relu(Context& context, const Var& x) {
  return with_activation_type("relu", x.dtype(), [&](auto type) {
    using T = decltype(type);
    Tensor y = Tensor::empty(context, x.shape(), x.dtype());
    dispatch<T>(
        "relu", context, [&] { kernels::cpu::relu<T>(context.launch(), y.numel(), x.value.data<T>(), y.data<T>()); },
        [&](const auto& device) { device.relu(context.launch(), y.numel(), x.value.data<T>(), y.data<T>()); });
    return record("relu", y, {&x}, [saved = Saved(y)](BackwardPass& pass) {
      const Tensor& output = saved.get("relu");
      const GradTarget target = pass.target(0, output.shape(), output.dtype());
      const Context& c = pass.context();
      const T* dy = pass.output().data<T>();
      T* dx = Tensor(target.tensor).data<T>();
      dispatch<T>(
          "relu", c,
          [&] {
            kernels::cpu::relu_backward<T>(c.launch(), output.numel(), output.data<T>(), dy, dx, target.accumulate);
          },
          [&](const auto& device) {
            device.relu_backward(c.launch(), output.numel(), output.data<T>(), dy, dx, target.accumulate);
          });
    });
  });
}

}  // namespace bsg::ops
