#include "engine/ops/adaptive_average_pool2d.hpp"

#include "engine/core/dispatch.hpp"
#include "engine/ops/float_dispatch.hpp"
#include "kernels/pool2d/adaptive_average_pool2d.hpp"

namespace bsg::ops {

Var adaptive_average_pool2d(Context& context, const Var& x, std::int64_t out_height, std::int64_t out_width) {
  static constexpr std::string_view kOp = "adaptive_average_pool2d";
  if (x.shape().rank() != 4 || x.shape()[2] < 1 || x.shape()[3] < 1 || out_height < 1 || out_width < 1)
    throw_error<ShapeError>("{}: x {} to {}x{} windows; expected [N, C, H, W], all extents of the planes >= 1", kOp,
                            x.shape().str(), out_height, out_width);
  return with_activation_type(kOp, x.dtype(), [&](auto type) {
    using T = decltype(type);
    const kernels::AdaptivePoolShape shape{x.shape()[0] * x.shape()[1], x.shape()[2], x.shape()[3], out_height,
                                           out_width};
    Tensor y = Tensor::empty(context, {x.shape()[0], x.shape()[1], out_height, out_width}, x.dtype());
    dispatch<T>(
        kOp, context,
        [&] { kernels::cpu::adaptive_average_pool2d<T>(context.launch(), shape, x.value.data<T>(), y.data<T>()); },
        [&](const auto& device) {
          device.adaptive_average_pool2d(context.launch(), shape, x.shape()[1], x.value.data<T>(), y.data<T>());
        });
    return record(kOp, y, {&x}, [in = x.shape(), shape](BackwardPass& pass) {
      const Context& c = pass.context();
      const T* dy = pass.output().data<T>();
      GradTarget dx = pass.target(0, in, pass.output().dtype());
      T* to = dx.tensor.template data<T>();
      dispatch<T>(
          kOp, c, [&] { kernels::cpu::adaptive_average_pool2d_backward<T>(c.launch(), shape, dy, to, dx.accumulate); },
          [&](const auto& device) {
            device.adaptive_average_pool2d_backward(c.launch(), shape, in[1], dy, to, dx.accumulate);
          });
    });
  });
}

}  // namespace bsg::ops
