#include "engine/ops/global_average_pool.hpp"

#include "engine/ops/float_dispatch.hpp"
#include "engine/ops/planes.hpp"

namespace bsg::ops {

namespace {

constexpr std::string_view kOp = "global_average_pool";

}  // namespace

Var global_average_pool(Context& context, const Var& x) {
  if (x.shape().rank() != 4 || x.shape()[2] * x.shape()[3] == 0)
    throw_error<ShapeError>("{}: x {}, expected [N, C, H, W] with planes that are not empty", kOp, x.shape().str());
  return with_float_type(kOp, x.dtype(), [&](auto type) {
    using T = decltype(type);
    const double factor = 1.0 / static_cast<double>(plane_of(x.value));
    Tensor y = Tensor::empty(context, {x.shape()[0], x.shape()[1]}, x.dtype());
    dispatch<T>(
        kOp, context,
        [&] {
          kernels::cpu::sum_planes<T>(context.launch(), y.numel(), plane_of(x.value), x.value.data<T>(), factor,
                                      y.data<T>());
        },
        [&](const auto& device) {
          device.sum_channels(context.launch(), channels_last(x.value), x.value.data<T>(), factor, y.data<T>());
        });
    return record(kOp, y, {&x}, [shape = x.shape(), factor](BackwardPass& pass) {
      const Context& c = pass.context();
      const T* dy = pass.output().data<T>();
      const GradTarget target = pass.target(0, shape, pass.output().dtype());
      Tensor dx = target.tensor;
      dispatch<T>(
          kOp, c,
          [&] {
            kernels::cpu::fill_planes<T>(c.launch(), shape[0] * shape[1], plane_of(dx), dy, factor,
                                         dx.template data<T>(), target.accumulate);
          },
          [&](const auto& device) {
            device.fill_channels(c.launch(), channels_last(dx), dy, factor, dx.template data<T>(), target.accumulate);
          });
    });
  });
}

}  // namespace bsg::ops
