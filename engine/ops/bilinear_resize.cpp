#include "engine/ops/bilinear_resize.hpp"

#include "engine/core/dispatch.hpp"
#include "engine/ops/float_dispatch.hpp"
#include "kernels/resize/resize.hpp"

namespace bsg::ops {

Var bilinear_resize(Context& context, const Var& x, const ResizeOptions& options) {
  static constexpr std::string_view kOp = "bilinear_resize";
  if (x.shape().rank() != 4 || x.shape()[2] < 1 || x.shape()[3] < 1 || options.height < 1 || options.width < 1)
    throw_error<ShapeError>("{}: x {} to height {}, width {}; expected [N, C, H, W], all extents of the planes >= 1",
                            kOp, x.shape().str(), options.height, options.width);
  return with_activation_type(kOp, x.dtype(), [&](auto type) {
    using T = decltype(type);
    const kernels::ResizeShape shape{
        x.shape()[0] * x.shape()[1], x.shape()[2], x.shape()[3], options.height, options.width, options.align_corners};
    Tensor y = Tensor::empty(context, {x.shape()[0], x.shape()[1], options.height, options.width}, x.dtype());
    dispatch<T>(
        kOp, context,
        [&] { kernels::cpu::bilinear_resize<T>(context.launch(), shape, x.value.data<T>(), y.data<T>()); },
        [&](const auto& device) {
          for (const std::int64_t extent : {shape.height, shape.width, shape.out_height, shape.out_width})
            if (extent > kernels::device::kLargestResizeExtent)
              throw_error<ShapeError>("{}: x {} to height {}, width {}; device {} takes extents up to {}", kOp,
                                      x.shape().str(), options.height, options.width, to_string(context.device()),
                                      kernels::device::kLargestResizeExtent);
          device.bilinear_resize(context.launch(), shape, x.shape()[1], x.value.data<T>(), y.data<T>());
        });
    return record(kOp, y, {&x}, [in = x.shape(), shape](BackwardPass& pass) {
      const Context& c = pass.context();
      const T* dy = pass.output().data<T>();
      GradTarget dx = pass.target(0, in, pass.output().dtype());
      T* to = dx.tensor.template data<T>();
      dispatch<T>(
          kOp, c, [&] { kernels::cpu::bilinear_resize_backward<T>(c.launch(), shape, dy, to, dx.accumulate); },
          [&](const auto& device) {
            device.bilinear_resize_backward(c.launch(), shape, in[1], dy, to, dx.accumulate);
          });
    });
  });
}

}  // namespace bsg::ops
