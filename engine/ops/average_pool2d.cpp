#include "engine/ops/average_pool2d.hpp"

#include "engine/ops/float_dispatch.hpp"

namespace bsg::ops {

Var average_pool2d(Context& context, const Var& x, const Pool2dOptions& options, bool count_include_pad) {
  static constexpr std::string_view kOp = "average_pool2d";
  if (options.dilation != 1) throw_error<ShapeError>("{}: dilation {}, only 1 is supported", kOp, options.dilation);
  const kernels::Pool2dShape shape = checked_pool2d_shape(kOp, x, options);
  return with_float_type(kOp, x.dtype(), [&](auto type) {
    using T = decltype(type);
    Tensor y = Tensor::empty(context, {x.shape()[0], x.shape()[1], shape.out_height(), shape.out_width()}, x.dtype());
    kernels::cpu::average_pool2d<T>(context.launch(), shape, count_include_pad, x.value.data<T>(), y.data<T>());
    return record(kOp, y, {&x}, [in = x.shape(), shape, count_include_pad](BackwardPass& pass) {
      auto [dx, accumulate] = pass.target(0, in, pass.output().dtype());
      kernels::cpu::average_pool2d_backward<T>(pass.context().launch(), shape, count_include_pad,
                                               pass.output().data<T>(), dx.template data<T>(), accumulate);
    });
  });
}

}  // namespace bsg::ops
