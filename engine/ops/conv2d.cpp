#include "engine/ops/conv2d.hpp"

#include "engine/core/error.hpp"
#include "engine/ops/conv2d_passes.hpp"
#include "engine/ops/float_dispatch.hpp"

namespace bsg::ops {

kernels::Conv2dShape checked_conv2d_shape(std::string_view op, const Var& x, const Var& weight,
                                          const Conv2dOptions& options) {
  const auto check = [&](bool ok, std::string_view what) {
    if (!ok)
      throw_error<ShapeError>("{}: {} (x {}, weight {}, stride {}, padding {}, dilation {})", op, what, x.shape().str(),
                              weight.shape().str(), options.stride, options.padding, options.dilation);
  };
  if (!x.value.defined() || !weight.value.defined()) throw_error<ShapeError>("{}: x and weight are needed", op);
  check(x.shape().rank() == 4, "x must be [N, C, H, W]");
  check(weight.shape().rank() == 4, "weight must be [K, C, R, S]");
  check(weight.dtype() == parameter_type(x.dtype()) && (weight.dtype() == DType::f32 || weight.dtype() == DType::f64),
        "x and weight must both be f32, both f64, or bf16 and f32");
  check(x.shape()[1] == weight.shape()[1], "x and weight differ in their input channels");
  check(options.stride >= 1 && options.dilation >= 1 && options.padding >= 0,
        "stride and dilation must be at least 1, padding at least 0");
  check(options.stride <= kMaxConv2dStride, "strides above 256 are not supported");
  kernels::Conv2dShape shape;
  shape.batch = x.shape()[0];
  shape.channels = x.shape()[1];
  shape.height = x.shape()[2];
  shape.width = x.shape()[3];
  shape.outputs = weight.shape()[0];
  shape.kernel_height = weight.shape()[2];
  shape.kernel_width = weight.shape()[3];
  shape.stride = options.stride;
  shape.padding = options.padding;
  shape.dilation = options.dilation;
  check(shape.kernel_height >= 1 && shape.kernel_width >= 1, "the kernel is empty");
  check(shape.height + 2 * shape.padding >= shape.dilation * (shape.kernel_height - 1) + 1 &&
            shape.width + 2 * shape.padding >= shape.dilation * (shape.kernel_width - 1) + 1,
        "the kernel is larger than the padded input");
  return shape;
}

namespace {

template <class T>
Var run(Context& context, const Var& x, const Var& weight, const Var& bias, const kernels::Conv2dShape& shape) {
  Tensor y = Tensor::empty(context, {shape.batch, shape.outputs, shape.out_height(), shape.out_width()}, x.dtype());
  const Tensor factor = factor_of<T>(context, weight.value);
  conv2d_forward<T>("conv2d", context, shape, x.value, factor, bias.value, y);
  return record("conv2d", y, {&x, &weight, &bias},
                [saved_x = Saved(x.value), saved_factor = Saved(factor), shape](BackwardPass& pass) {
                  Context& c = pass.context();
                  const Tensor& sx = saved_x.get("conv2d");
                  const Tensor& sw = saved_factor.get("conv2d");
                  const Tensor& dy = pass.output();
                  constexpr DType kParameter = DTypeOf<ParameterOf<T>>::value;
                  if (pass.wants(0))
                    conv2d_backward_input<T>("conv2d", c, shape, sw, dy, pass.target(0, sx.shape(), sx.dtype()));
                  if (pass.wants(1))
                    conv2d_backward_weight<T>("conv2d", c, shape, sx, dy, pass.target(1, sw.shape(), kParameter));
                  if (pass.wants(2))
                    conv2d_backward_bias<T>("conv2d", c, shape, dy, pass.target(2, {shape.outputs}, kParameter));
                });
}

}  // namespace

Var conv2d(Context& context, const Var& x, const Var& weight, const Var& bias, const Conv2dOptions& options) {
  const kernels::Conv2dShape shape = checked_conv2d_shape("conv2d", x, weight, options);
  if (bias.value.defined() && (bias.shape() != Shape{shape.outputs} || bias.dtype() != weight.dtype()))
    throw_error<ShapeError>("conv2d: bias {} {} for weight {} {}", to_string(bias.dtype()), bias.shape().str(),
                            to_string(weight.dtype()), weight.shape().str());
  return with_activation_type("conv2d", x.dtype(),
                              [&](auto type) { return run<decltype(type)>(context, x, weight, bias, shape); });
}

}  // namespace bsg::ops
