#include "engine/ops/linear.hpp"

#include "engine/ops/float_dispatch.hpp"
#include "kernels/linear/linear.hpp"

namespace bsg::ops {

Var linear(Context& context, const Var& x, const Var& weight, const Var& bias) {
  const bool fits = x.shape().rank() == 2 && weight.shape().rank() == 2 && x.shape()[1] == weight.shape()[1] &&
                    x.dtype() == weight.dtype() &&
                    (!bias.value.defined() || (bias.shape() == Shape{weight.shape()[0]} && bias.dtype() == x.dtype()));
  if (!fits)
    throw_error<ShapeError>("linear: x {} {}, weight {} {}, bias {}; expected [N, I], [O, I] and [O] of one type",
                            to_string(x.dtype()), x.shape().str(), to_string(weight.dtype()), weight.shape().str(),
                            bias.value.defined() ? bias.shape().str() : "none");
  return with_float_type("linear", x.dtype(), [&](auto type) {
    using T = decltype(type);
    const kernels::LinearShape shape{x.shape()[0], x.shape()[1], weight.shape()[0]};
    Tensor y = Tensor::empty(context, {shape.rows, shape.outputs}, x.dtype());
    kernels::cpu::linear<T>(context.launch(), shape, x.value.data<T>(), weight.value.data<T>(),
                            bias.value.defined() ? bias.value.data<T>() : nullptr, y.data<T>());
    return record(
        "linear", y, {&x, &weight, &bias}, [sx = Saved(x.value), sw = Saved(weight.value), shape](BackwardPass& pass) {
          const auto launch = pass.context().launch();
          const Tensor& in = sx.get("linear");
          const Tensor& matrix = sw.get("linear");
          const T* dy = pass.output().data<T>();
          if (pass.wants(0)) {
            auto [dx, accumulate] = pass.target(0, in.shape(), in.dtype());
            kernels::cpu::linear_backward_input<T>(launch, shape, matrix.data<T>(), dy, dx.data<T>(), accumulate);
          }
          if (pass.wants(1)) {
            auto [dw, accumulate] = pass.target(1, matrix.shape(), matrix.dtype());
            kernels::cpu::linear_backward_weight<T>(launch, shape, in.data<T>(), dy, dw.data<T>(), accumulate);
          }
          if (pass.wants(2)) {
            auto [db, accumulate] = pass.target(2, {shape.outputs}, matrix.dtype());
            kernels::cpu::linear_backward_bias<T>(launch, shape, dy, db.data<T>(), accumulate);
          }
        });
  });
}

}  // namespace bsg::ops
