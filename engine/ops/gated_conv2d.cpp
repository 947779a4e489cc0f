#include "engine/ops/gated_conv2d.hpp"

#include "engine/ops/conv2d_passes.hpp"
#include "engine/ops/float_dispatch.hpp"
#include "engine/ops/planes.hpp"

namespace bsg::ops {
namespace {

using kernels::Conv2dShape;

constexpr std::string_view kOutputOp = "gated_output_conv2d";
constexpr std::string_view kInputOp = "gated_input_conv2d";

template <class T>
void check_gate(std::string_view op, const Var& gate, std::int64_t batch, std::int64_t channels) {
  constexpr DType kType = DTypeOf<T>::value;
  if (!gate.value.defined() || gate.shape() != Shape{batch, channels} || gate.dtype() != kType)
    throw_error<ShapeError>("{}: gate {} {}, expected {} [{}, {}]", op, to_string(gate.dtype()), gate.shape().str(),
                            to_string(kType), batch, channels);
  // On another device looking would mean waiting for it.
  if (gate.value.device() != Device::cpu) return;
  const auto values = gate.value.span<T>();
  for (std::size_t i = 0; i < values.size(); ++i)
    if (values[i] != T{0} && values[i] != T{1})
      throw_error<ShapeError>("{}: gate value {} at element {}, only 0 and 1 are gates", op, values[i], i);
}

// x where the gate is open, else 0.
template <class T>
Tensor masked(std::string_view op, Context& context, const Tensor& x, const Tensor& gate) {
  Tensor result = Tensor::empty(context, x.shape(), x.dtype());
  mask_planes<T>(op, context, x, gate, {result, false});
  return result;
}

template <class T>
Var gated_output(Context& context, const Var& x, const Var& weight, const Var& gate, const Conv2dShape& shape) {
  using P = ParameterOf<T>;
  check_gate<P>(kOutputOp, gate, shape.batch, shape.outputs);
  const Tensor factor = factor_of<T>(context, weight.value);
  Tensor y = Tensor::empty(context, {shape.batch, shape.outputs, shape.out_height(), shape.out_width()}, x.dtype());
  Saved saved_all;
  if (gate.tracked()) {
    Tensor all = Tensor::empty(context, y.shape(), x.dtype());
    conv2d_forward<T>(kOutputOp, context, shape, x.value, factor, {}, all);
    mask_planes<T>(kOutputOp, context, all, gate.value, {y, false});
    saved_all = Saved(all);
  } else {
    conv2d_forward<T>(kOutputOp, context, shape, x.value, factor, {}, y, {.output = gate.value});
    if (!context.on_cpu()) mask_planes<T>(kOutputOp, context, y, gate.value, {y, false});
  }
  return record(
      kOutputOp, y, {&x, &weight, &gate},
      [saved_x = Saved(x.value), saved_factor = Saved(factor), saved_gate = Saved(gate.value), saved_all,
       shape](BackwardPass& pass) {
        Context& c = pass.context();
        const Tensor& sx = saved_x.get(kOutputOp);
        const Tensor& sw = saved_factor.get(kOutputOp);
        const Tensor& sg = saved_gate.get(kOutputOp);
        const bool convolutions = pass.wants(0) || pass.wants(1);
        const Tensor dy = convolutions && !c.on_cpu() ? masked<T>(kOutputOp, c, pass.output(), sg) : pass.output();
        const Conv2dGates gates{.output = sg};
        if (pass.wants(0))
          conv2d_backward_input<T>(kOutputOp, c, shape, sw, dy, pass.target(0, sx.shape(), sx.dtype()), gates);
        if (pass.wants(1))
          conv2d_backward_weight<T>(kOutputOp, c, shape, sx, dy, pass.target(1, sw.shape(), DTypeOf<P>::value), gates);
        if (pass.wants(2))
          dot_planes<T>(kOutputOp, c, pass.output(), saved_all.get(kOutputOp), pass.target(2, sg.shape(), sg.dtype()));
      });
}

template <class T>
Var gated_input(Context& context, const Var& x, const Var& gate, const Var& weight, const Conv2dShape& shape) {
  using P = ParameterOf<T>;
  check_gate<P>(kInputOp, gate, shape.batch, shape.channels);
  const Tensor factor = factor_of<T>(context, weight.value);
  const Tensor read = context.on_cpu() ? x.value : masked<T>(kInputOp, context, x.value, gate.value);
  Tensor y = Tensor::empty(context, {shape.batch, shape.outputs, shape.out_height(), shape.out_width()}, x.dtype());
  conv2d_forward<T>(kInputOp, context, shape, read, factor, {}, y, {.input = gate.value});
  return record(kInputOp, y, {&x, &gate, &weight},
                // The gate's gradient alone needs what is behind closed gates.
                [saved_x = Saved(gate.tracked() ? x.value : Tensor()), saved_read = Saved(read),
                 saved_gate = Saved(gate.value), saved_factor = Saved(factor), shape](BackwardPass& pass) {
                  Context& c = pass.context();
                  const Tensor& sr = saved_read.get(kInputOp);
                  const Tensor& sg = saved_gate.get(kInputOp);
                  const Tensor& sw = saved_factor.get(kInputOp);
                  const Tensor& dy = pass.output();
                  if (pass.wants(0) || pass.wants(1)) {
                    // Gradient of gate * x, for all channels: the gate's own gradient needs those that are off. It is
                    // made where dx goes when nothing is there yet.
                    GradTarget dx;
                    if (pass.wants(0)) dx = pass.target(0, sr.shape(), sr.dtype());
                    const Tensor du =
                        pass.wants(0) && !dx.accumulate ? dx.tensor : Tensor::empty(c, sr.shape(), sr.dtype());
                    conv2d_backward_input<T>(kInputOp, c, shape, sw, dy, {du, false});
                    if (pass.wants(1))
                      dot_planes<T>(kInputOp, c, du, saved_x.get(kInputOp), pass.target(1, sg.shape(), sg.dtype()));
                    if (pass.wants(0)) mask_planes<T>(kInputOp, c, du, sg, dx);
                  }
                  if (pass.wants(2))
                    conv2d_backward_weight<T>(kInputOp, c, shape, sr, dy, pass.target(2, sw.shape(), DTypeOf<P>::value),
                                              {.input = sg});
                });
}

}  // namespace

Var gated_output_conv2d(Context& context, const Var& x, const Var& weight, const Var& gate,
                        const Conv2dOptions& options) {
  const Conv2dShape shape = checked_conv2d_shape(kOutputOp, x, weight, options);
  return with_activation_type(kOutputOp, x.dtype(),
                              [&](auto type) { return gated_output<decltype(type)>(context, x, weight, gate, shape); });
}

Var gated_input_conv2d(Context& context, const Var& x, const Var& gate, const Var& weight,
                       const Conv2dOptions& options) {
  const Conv2dShape shape = checked_conv2d_shape(kInputOp, x, weight, options);
  return with_activation_type(kInputOp, x.dtype(),
                              [&](auto type) { return gated_input<decltype(type)>(context, x, gate, weight, shape); });
}

}  // namespace bsg::ops
