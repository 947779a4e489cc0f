#include "engine/ops/dropout2d.hpp"

#include "engine/core/error.hpp"
#include "engine/ops/float_dispatch.hpp"
#include "engine/ops/mul_gate.hpp"

namespace bsg::ops {

Var dropout2d(Context& context, const Var& x, double p, bool training) {
  static constexpr std::string_view kOp = "dropout2d";
  if (x.shape().rank() != 4 || !(p >= 0 && p < 1))
    throw_error<ShapeError>("{}: x {}, p {}; expected [N, C, H, W] and a probability in [0, 1)", kOp, x.shape().str(),
                            p);
  if (!training || p == 0) return x;
  return with_activation_type(kOp, x.dtype(), [&](auto type) {
    using P = ParameterOf<decltype(type)>;
    std::vector<P> factor(static_cast<std::size_t>(x.shape()[0] * x.shape()[1]));
    for (P& value : factor) value = context.random().uniform() < p ? P{0} : static_cast<P>(1 / (1 - p));
    return mul_gate(context, x, Tensor::from<P>(context, {x.shape()[0], x.shape()[1]}, factor));
  });
}

}  // namespace bsg::ops
