#include "engine/ops/global_average_pool.hpp"

#include "engine/ops/float_dispatch.hpp"
#include "kernels/elementwise/elementwise.hpp"

namespace bsg::ops {

Var global_average_pool(Context& context, const Var& x) {
  if (x.shape().rank() != 4 || x.shape()[2] * x.shape()[3] == 0)
    throw_error<ShapeError>("global_average_pool: x {}, expected [N, C, H, W] with planes that are not empty",
                            x.shape().str());
  return with_float_type("global_average_pool", x.dtype(), [&](auto type) {
    using T = decltype(type);
    const std::int64_t planes = x.shape()[0] * x.shape()[1], plane = x.shape()[2] * x.shape()[3];
    const double factor = 1.0 / static_cast<double>(plane);
    Tensor y = Tensor::empty(context, {x.shape()[0], x.shape()[1]}, x.dtype());
    kernels::cpu::sum_planes<T>(context.launch(), planes, plane, x.value.data<T>(), factor, y.data<T>());
    return record("global_average_pool", y, {&x}, [shape = x.shape(), planes, plane, factor](BackwardPass& pass) {
      auto [dx, accumulate] = pass.target(0, shape, pass.output().dtype());
      kernels::cpu::fill_planes<T>(pass.context().launch(), planes, plane, pass.output().data<T>(), factor,
                                   dx.data<T>(), accumulate);
    });
  });
}

}  // namespace bsg::ops
