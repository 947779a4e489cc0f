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
  return with_activation_type(kOp, x.dtype(), [&](auto type) {
    using T = decltype(type);
    using P = ParameterOf<T>;
    const double factor = 1.0 / static_cast<double>(plane_of(x.value));
    Tensor y = Tensor::empty(context, {x.shape()[0], x.shape()[1]}, parameter_type(x.dtype()));
    dispatch<T>(
        kOp, context,
        [&] {
          kernels::cpu::sum_planes<P>(context.launch(), y.numel(), plane_of(x.value), x.value.data<P>(), factor,
                                      y.data<P>());
        },
        [&](const auto& device) {
          device.sum_channels(context.launch(), channels_last(x.value), x.value.data<T>(), factor, y.data<P>());
        });
    return record(kOp, y, {&x}, [shape = x.shape(), dtype = x.dtype(), factor](BackwardPass& pass) {
      const Context& c = pass.context();
      const P* dy = pass.output().data<P>();
      const GradTarget target = pass.target(0, shape, dtype);
      Tensor dx = target.tensor;
      dispatch<T>(
          kOp, c,
          [&] {
            kernels::cpu::fill_planes<P>(c.launch(), shape[0] * shape[1], plane_of(dx), dy, factor,
                                         dx.template data<P>(), target.accumulate);
          },
          [&](const auto& device) {
            device.fill_channels(c.launch(), channels_last(dx), dy, factor, dx.template data<T>(), target.accumulate);
          });
    });
  });
}

}  // namespace bsg::ops
