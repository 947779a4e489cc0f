#include "engine/ops/average_pool2d.hpp"

#include "engine/core/dispatch.hpp"
#include "engine/ops/float_dispatch.hpp"

namespace bsg::ops {

Var average_pool2d(Context& context, const Var& x, const Pool2dOptions& options, bool count_include_pad) {
  static constexpr std::string_view kOp = "average_pool2d";
  if (options.dilation != 1) throw_error<ShapeError>("{}: dilation {}, only 1 is supported", kOp, options.dilation);
  const kernels::Pool2dShape shape = checked_pool2d_shape(kOp, x, options);
  return with_activation_type(kOp, x.dtype(), [&](auto type) {
    using T = decltype(type);
    Tensor y = Tensor::empty(context, {x.shape()[0], x.shape()[1], shape.out_height(), shape.out_width()}, x.dtype());
    dispatch<T>(
        kOp, context,
        [&] {
          kernels::cpu::average_pool2d<T>(context.launch(), shape, count_include_pad, x.value.data<T>(), y.data<T>());
        },
        [&](const auto& device) {
          device.average_pool2d(context.launch(), shape, x.shape()[1], count_include_pad, x.value.data<T>(),
                                y.data<T>());
        });
    return record(kOp, y, {&x}, [in = x.shape(), shape, count_include_pad](BackwardPass& pass) {
      const Context& c = pass.context();
      const T* dy = pass.output().data<T>();
      GradTarget dx = pass.target(0, in, pass.output().dtype());
      T* to = dx.tensor.template data<T>();
      dispatch<T>(
          kOp, c,
          [&] {
            kernels::cpu::average_pool2d_backward<T>(c.launch(), shape, count_include_pad, dy, to, dx.accumulate);
          },
          [&](const auto& device) {
            device.average_pool2d_backward(c.launch(), shape, in[1], count_include_pad, dy, to, dx.accumulate);
          });
    });
  });
}

}  // namespace bsg::ops
