#include "engine/ops/mul_gate.hpp"

#include "engine/ops/float_dispatch.hpp"
#include "engine/ops/planes.hpp"

namespace bsg::ops {

Var mul_gate(Context& context, const Var& x, const Var& gate) {
  if (x.shape().rank() != 4 || gate.shape() != Shape{x.shape()[0], x.shape()[1]} ||
      gate.dtype() != parameter_type(x.dtype()))
    throw_error<ShapeError>("mul_gate: x {} {} needs a gate {} [N, C], got {} {}", to_string(x.dtype()),
                            x.shape().str(), to_string(parameter_type(x.dtype())), to_string(gate.dtype()),
                            gate.shape().str());
  return with_activation_type("mul_gate", x.dtype(), [&](auto type) {
    using T = decltype(type);
    Tensor y = Tensor::empty(context, x.shape(), x.dtype());
    scale_planes<T>("mul_gate", context, x.value, gate.value, {y, false});
    return record("mul_gate", y, {&x, &gate}, [sx = Saved(x.value), sg = Saved(gate.value)](BackwardPass& pass) {
      Context& c = pass.context();
      const Tensor& in = sx.get("mul_gate");
      const Tensor& factor = sg.get("mul_gate");
      if (pass.wants(0)) scale_planes<T>("mul_gate", c, pass.output(), factor, pass.target(0, in.shape(), in.dtype()));
      if (pass.wants(1))
        dot_planes<T>("mul_gate", c, pass.output(), in, pass.target(1, factor.shape(), factor.dtype()));
    });
  });
}

}  // namespace bsg::ops
