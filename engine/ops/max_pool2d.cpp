#include "engine/ops/max_pool2d.hpp"

#include "engine/core/dispatch.hpp"
#include "engine/ops/float_dispatch.hpp"

namespace bsg::ops {

Var max_pool2d(Context& context, const Var& x, const Pool2dOptions& options) {
  static constexpr std::string_view kOp = "max_pool2d";
  const kernels::Pool2dShape shape = checked_pool2d_shape(kOp, x, options);
  return with_activation_type(kOp, x.dtype(), [&](auto type) {
    using T = decltype(type);
    Tensor y = Tensor::empty(context, {x.shape()[0], x.shape()[1], shape.out_height(), shape.out_width()}, x.dtype());
    dispatch<T>(
        kOp, context, [&] { kernels::cpu::max_pool2d<T>(context.launch(), shape, x.value.data<T>(), y.data<T>()); },
        [&](const auto& device) {
          device.max_pool2d(context.launch(), shape, x.shape()[1], x.value.data<T>(), y.data<T>());
        });
    return record(kOp, y, {&x}, [saved = Saved(x.value), shape](BackwardPass& pass) {
      const Tensor& in = saved.get(kOp);
      const Context& c = pass.context();
      const T* dy = pass.output().data<T>();
      GradTarget dx = pass.target(0, in.shape(), in.dtype());
      T* to = dx.tensor.template data<T>();
      dispatch<T>(
          kOp, c, [&] { kernels::cpu::max_pool2d_backward<T>(c.launch(), shape, in.data<T>(), dy, to, dx.accumulate); },
          [&](const auto& device) {
            device.max_pool2d_backward(c.launch(), shape, in.shape()[1], in.data<T>(), dy, to, dx.accumulate);
          });
    });
  });
}

}  // namespace bsg::ops
