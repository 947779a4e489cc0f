#include "engine/ops/gated_conv2d.hpp"

#include "engine/core/error.hpp"
#include "kernels/elementwise/elementwise.hpp"

namespace bsg::ops {
namespace {

using kernels::Conv2dShape;

constexpr std::string_view kOutputOp = "gated_output_conv2d";
constexpr std::string_view kInputOp = "gated_input_conv2d";

template <class T>
void check_gate(std::string_view op, const Var& gate, std::int64_t batch, std::int64_t channels, DType dtype) {
  if (!gate.value.defined() || gate.shape() != Shape{batch, channels} || gate.dtype() != dtype)
    throw_error<ShapeError>("{}: gate {} {}, expected {} [{}, {}]", op, to_string(gate.dtype()), gate.shape().str(),
                            to_string(dtype), batch, channels);
  const auto values = gate.value.span<T>();
  for (std::size_t i = 0; i < values.size(); ++i)
    if (values[i] != T{0} && values[i] != T{1})
      throw_error<ShapeError>("{}: gate value {} at element {}, only 0 and 1 are gates", op, values[i], i);
}

Tensor conv2d_scratch(Context& context, const Conv2dShape& shape, DType dtype) {
  return Tensor::empty(context, {kernels::cpu::conv2d_workspace(shape, context.threads())}, dtype);
}

template <class T>
Var gated_output(Context& context, const Var& x, const Var& weight, const Var& gate, const Conv2dShape& shape) {
  check_gate<T>(kOutputOp, gate, shape.batch, shape.outputs, x.dtype());
  const Shape y_shape{shape.batch, shape.outputs, shape.out_height(), shape.out_width()};
  const std::int64_t plane = shape.out_height() * shape.out_width();
  Tensor workspace = conv2d_scratch(context, shape, x.dtype());
  Tensor y = Tensor::empty(context, y_shape, x.dtype());
  const T* none = nullptr;
  Saved saved_all;
  if (gate.tracked()) {
    Tensor all = Tensor::empty(context, y_shape, x.dtype());
    kernels::cpu::conv2d_forward<T>(context.launch(), shape, x.value.data<T>(), weight.value.data<T>(), none, none,
                                    none, all.data<T>(), workspace.data<T>());
    kernels::cpu::mask_planes<T>(context.launch(), shape.batch * shape.outputs, plane, all.data<T>(),
                                 gate.value.data<T>(), y.data<T>(), false);
    saved_all = Saved(all);
  } else {
    kernels::cpu::conv2d_forward<T>(context.launch(), shape, x.value.data<T>(), weight.value.data<T>(), none, none,
                                    gate.value.data<T>(), y.data<T>(), workspace.data<T>());
  }
  return record(kOutputOp, y, {&x, &weight, &gate},
                [saved_x = Saved(x.value), saved_weight = Saved(weight.value), saved_gate = Saved(gate.value),
                 saved_all, shape, plane](BackwardPass& pass) {
                  Context& c = pass.context();
                  const Tensor& sx = saved_x.get(kOutputOp);
                  const Tensor& sw = saved_weight.get(kOutputOp);
                  const Tensor& sg = saved_gate.get(kOutputOp);
                  const T* dy = pass.output().data<T>();
                  const T* no_gate = nullptr;
                  Tensor ws = conv2d_scratch(c, shape, sx.dtype());
                  if (pass.wants(0)) {
                    auto [dx, accumulate] = pass.target(0, sx.shape(), sx.dtype());
                    kernels::cpu::conv2d_backward_input<T>(c.launch(), shape, sw.data<T>(), dy, sg.data<T>(),
                                                           dx.data<T>(), accumulate, ws.data<T>());
                  }
                  if (pass.wants(1)) {
                    auto [dw, accumulate] = pass.target(1, sw.shape(), sw.dtype());
                    kernels::cpu::conv2d_backward_weight<T>(c.launch(), shape, sx.data<T>(), dy, no_gate, sg.data<T>(),
                                                            dw.data<T>(), accumulate, ws.data<T>());
                  }
                  if (pass.wants(2)) {
                    auto [dg, accumulate] = pass.target(2, sg.shape(), sg.dtype());
                    kernels::cpu::dot_planes<T>(c.launch(), sg.numel(), plane, dy, saved_all.get(kOutputOp).data<T>(),
                                                dg.data<T>(), accumulate);
                  }
                });
}

template <class T>
Var gated_input(Context& context, const Var& x, const Var& gate, const Var& weight, const Conv2dShape& shape) {
  check_gate<T>(kInputOp, gate, shape.batch, shape.channels, x.dtype());
  Tensor workspace = conv2d_scratch(context, shape, x.dtype());
  Tensor y = Tensor::empty(context, {shape.batch, shape.outputs, shape.out_height(), shape.out_width()}, x.dtype());
  const T* none = nullptr;
  kernels::cpu::conv2d_forward<T>(context.launch(), shape, x.value.data<T>(), weight.value.data<T>(), none,
                                  gate.value.data<T>(), none, y.data<T>(), workspace.data<T>());
  return record(kInputOp, y, {&x, &gate, &weight},
                [saved_x = Saved(x.value), saved_gate = Saved(gate.value), saved_weight = Saved(weight.value),
                 shape](BackwardPass& pass) {
                  Context& c = pass.context();
                  const Tensor& sx = saved_x.get(kInputOp);
                  const Tensor& sg = saved_gate.get(kInputOp);
                  const Tensor& sw = saved_weight.get(kInputOp);
                  const T* dy = pass.output().data<T>();
                  const T* no_gate = nullptr;
                  const std::int64_t planes = shape.batch * shape.channels, plane = shape.height * shape.width;
                  Tensor ws = conv2d_scratch(c, shape, sx.dtype());
                  if (pass.wants(0) || pass.wants(1)) {
                    // Gradient of gate * x, for all channels: the gate's own gradient needs those that are off. It is
                    // made where dx goes when nothing is there yet.
                    GradTarget dx;
                    if (pass.wants(0)) dx = pass.target(0, sx.shape(), sx.dtype());
                    Tensor du = pass.wants(0) && !dx.accumulate ? dx.tensor : Tensor::empty(c, sx.shape(), sx.dtype());
                    kernels::cpu::conv2d_backward_input<T>(c.launch(), shape, sw.data<T>(), dy, no_gate, du.data<T>(),
                                                           false, ws.data<T>());
                    if (pass.wants(1)) {
                      auto [dg, accumulate] = pass.target(1, sg.shape(), sg.dtype());
                      kernels::cpu::dot_planes<T>(c.launch(), planes, plane, du.data<T>(), sx.data<T>(), dg.data<T>(),
                                                  accumulate);
                    }
                    if (pass.wants(0))
                      kernels::cpu::mask_planes<T>(c.launch(), planes, plane, du.data<T>(), sg.data<T>(),
                                                   dx.tensor.data<T>(), dx.accumulate);
                  }
                  if (pass.wants(2)) {
                    auto [dw, accumulate] = pass.target(2, sw.shape(), sw.dtype());
                    kernels::cpu::conv2d_backward_weight<T>(c.launch(), shape, sx.data<T>(), dy, sg.data<T>(), no_gate,
                                                            dw.data<T>(), accumulate, ws.data<T>());
                  }
                });
}

}  // namespace

Var gated_output_conv2d(Context& context, const Var& x, const Var& weight, const Var& gate,
                        const Conv2dOptions& options) {
  const Conv2dShape shape = checked_conv2d_shape("gated_output_conv2d", x, weight, options);
  return x.dtype() == DType::f32 ? gated_output<float>(context, x, weight, gate, shape)
                                 : gated_output<double>(context, x, weight, gate, shape);
}

Var gated_input_conv2d(Context& context, const Var& x, const Var& gate, const Var& weight,
                       const Conv2dOptions& options) {
  const Conv2dShape shape = checked_conv2d_shape("gated_input_conv2d", x, weight, options);
  return x.dtype() == DType::f32 ? gated_input<float>(context, x, gate, weight, shape)
                                 : gated_input<double>(context, x, gate, weight, shape);
}

}  // namespace bsg::ops
