#include "engine/ops/add.hpp"

#include "engine/core/dispatch.hpp"
#include "engine/ops/float_dispatch.hpp"
#include "kernels/elementwise/elementwise.hpp"

namespace bsg::ops {

Var add(Context& context, const Var& a, const Var& b) {
  if (a.shape() != b.shape() || a.dtype() != b.dtype())
    throw_error<ShapeError>("add: {} {} and {} {}", to_string(a.dtype()), a.shape().str(), to_string(b.dtype()),
                            b.shape().str());
  return with_activation_type("add", a.dtype(), [&](auto type) {
    using T = decltype(type);
    Tensor y = Tensor::empty(context, a.shape(), a.dtype());
    dispatch<T>(
        "add", context,
        [&] { kernels::cpu::add<T>(context.launch(), y.numel(), a.value.data<T>(), b.value.data<T>(), y.data<T>()); },
        [&](const auto& device) {
          device.add(context.launch(), y.numel(), a.value.data<T>(), b.value.data<T>(), y.data<T>());
        });
    return record("add", y, {&a, &b}, [](BackwardPass& pass) {
      pass.give(0, pass.output());
      pass.give(1, pass.output());
    });
  });
}

}  // namespace bsg::ops
