#include "engine/ops/mul_gate.hpp"

#include "engine/ops/float_dispatch.hpp"
#include "kernels/elementwise/elementwise.hpp"

namespace bsg::ops {

Var mul_gate(Context& context, const Var& x, const Var& gate) {
  if (x.shape().rank() != 4 || gate.shape() != Shape{x.shape()[0], x.shape()[1]} || gate.dtype() != x.dtype())
    throw_error<ShapeError>("mul_gate: x {} {} needs a gate [N, C], got {} {}", to_string(x.dtype()), x.shape().str(),
                            to_string(gate.dtype()), gate.shape().str());
  return with_float_type("mul_gate", x.dtype(), [&](auto type) {
    using T = decltype(type);
    const std::int64_t planes = gate.value.numel(), plane = x.shape()[2] * x.shape()[3];
    Tensor y = Tensor::empty(context, x.shape(), x.dtype());
    kernels::cpu::scale_planes<T>(context.launch(), planes, plane, x.value.data<T>(), gate.value.data<T>(), y.data<T>(),
                                  false);
    return record(
        "mul_gate", y, {&x, &gate}, [sx = Saved(x.value), sg = Saved(gate.value), planes, plane](BackwardPass& pass) {
          const auto launch = pass.context().launch();
          const Tensor& in = sx.get("mul_gate");
          const Tensor& factor = sg.get("mul_gate");
          const T* dy = pass.output().data<T>();
          if (pass.wants(0)) {
            auto [dx, accumulate] = pass.target(0, in.shape(), in.dtype());
            kernels::cpu::scale_planes<T>(launch, planes, plane, dy, factor.data<T>(), dx.data<T>(), accumulate);
          }
          if (pass.wants(1)) {
            auto [dg, accumulate] = pass.target(1, factor.shape(), factor.dtype());
            kernels::cpu::dot_planes<T>(launch, planes, plane, dy, in.data<T>(), dg.data<T>(), accumulate);
          }
        });
  });
}

}  // namespace bsg::ops
