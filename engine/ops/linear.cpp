#include "engine/ops/linear.hpp"

#include "engine/core/dispatch.hpp"
#include "engine/ops/float_dispatch.hpp"
#include "kernels/linear/linear.hpp"

namespace bsg::ops {

namespace {

constexpr std::string_view kOp = "linear";

template <class T>
void backward(BackwardPass& pass, const Tensor& x, const Tensor& weight, const kernels::LinearShape& shape) {
  const Context& context = pass.context();
  const kernels::Launch launch = context.launch();
  const T* dy = pass.output().data<T>();
  if (pass.wants(0)) {
    GradTarget dx = pass.target(0, x.shape(), x.dtype());
    T* to = dx.tensor.data<T>();
    dispatch_float<T>(
        kOp, context,
        [&] { kernels::cpu::linear_backward_input<T>(launch, shape, weight.data<T>(), dy, to, dx.accumulate); },
        [&](const auto& device) {
          device.linear_backward_input(launch, shape, weight.data<T>(), dy, to, dx.accumulate);
        });
  }
  if (pass.wants(1)) {
    GradTarget dw = pass.target(1, weight.shape(), weight.dtype());
    T* to = dw.tensor.data<T>();
    dispatch_float<T>(
        kOp, context,
        [&] { kernels::cpu::linear_backward_weight<T>(launch, shape, x.data<T>(), dy, to, dw.accumulate); },
        [&](const auto& device) { device.linear_backward_weight(launch, shape, x.data<T>(), dy, to, dw.accumulate); });
  }
  if (pass.wants(2)) {
    GradTarget db = pass.target(2, {shape.outputs}, weight.dtype());
    T* to = db.tensor.data<T>();
    dispatch_float<T>(
        kOp, context, [&] { kernels::cpu::linear_backward_bias<T>(launch, shape, dy, to, db.accumulate); },
        [&](const auto& device) { device.linear_backward_bias(launch, shape, dy, to, db.accumulate); });
  }
}

}  // namespace

Var linear(Context& context, const Var& x, const Var& weight, const Var& bias) {
  const bool fits = x.shape().rank() == 2 && weight.shape().rank() == 2 && x.shape()[1] == weight.shape()[1] &&
                    x.dtype() == weight.dtype() &&
                    (!bias.value.defined() || (bias.shape() == Shape{weight.shape()[0]} && bias.dtype() == x.dtype()));
  if (!fits)
    throw_error<ShapeError>("linear: x {} {}, weight {} {}, bias {}; expected [N, I], [O, I] and [O] of one type",
                            to_string(x.dtype()), x.shape().str(), to_string(weight.dtype()), weight.shape().str(),
                            bias.value.defined() ? bias.shape().str() : "none");
  return with_float_type(kOp, x.dtype(), [&](auto type) {
    using T = decltype(type);
    const kernels::LinearShape shape{x.shape()[0], x.shape()[1], weight.shape()[0]};
    Tensor y = Tensor::empty(context, {shape.rows, shape.outputs}, x.dtype());
    const T* shift = bias.value.defined() ? bias.value.data<T>() : nullptr;
    dispatch_float<T>(
        kOp, context,
        [&] {
          kernels::cpu::linear<T>(context.launch(), shape, x.value.data<T>(), weight.value.data<T>(), shift,
                                  y.data<T>());
        },
        [&](const auto& device) {
          device.linear(context.launch(), shape, x.value.data<T>(), weight.value.data<T>(), shift, y.data<T>());
        });
    return record(kOp, y, {&x, &weight, &bias},
                  [sx = Saved(x.value), sw = Saved(weight.value), shape](BackwardPass& pass) {
                    backward<T>(pass, sx.get(kOp), sw.get(kOp), shape);
                  });
  });
}

}  // namespace bsg::ops
