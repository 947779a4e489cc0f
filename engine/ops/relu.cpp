#include "engine/ops/relu.hpp"

#include "engine/ops/float_dispatch.hpp"
#include "kernels/elementwise/elementwise.hpp"

namespace bsg::ops {

Var relu(Context& context, const Var& x) {
  return with_float_type("relu", x.dtype(), [&](auto type) {
    using T = decltype(type);
    Tensor y = Tensor::empty(context, x.shape(), x.dtype());
    kernels::cpu::relu<T>(context.launch(), y.numel(), x.value.data<T>(), y.data<T>());
    return record("relu", y, {&x}, [saved = Saved(y)](BackwardPass& pass) {
      const Tensor& output = saved.get("relu");
      auto [dx, accumulate] = pass.target(0, output.shape(), output.dtype());
      kernels::cpu::relu_backward<T>(pass.context().launch(), dx.numel(), output.data<T>(), pass.output().data<T>(),
                                     dx.data<T>(), accumulate);
    });
  });
}

}  // namespace bsg::ops
