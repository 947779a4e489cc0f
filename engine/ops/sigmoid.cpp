#include "engine/ops/sigmoid.hpp"

#include <cmath>

#include "engine/core/dispatch.hpp"
#include "engine/ops/float_dispatch.hpp"
#include "engine/ops/tickets.hpp"

namespace bsg::ops {
namespace {

double logistic(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }

// target (+)= scale(i) * s (1 - s)
template <class T, class Scale>
void add_slope(const GradTarget& target, const Tensor& x, const Scale& scale) {
  Tensor tensor = target.tensor;
  T* to = tensor.data<T>();
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    const double s = logistic(x.data<T>()[i]);
    to[i] = static_cast<T>((target.accumulate ? to[i] : 0) + scale(i) * s * (1 - s));
  }
}

}  // namespace

Var sigmoid(Context& context, const Var& x) {
  static constexpr std::string_view kOp = "sigmoid";
  return with_float_type(kOp, x.dtype(), [&](auto type) {
    using T = decltype(type);
    Tensor y = Tensor::empty(context, x.shape(), x.dtype());
    dispatch_float<T>(
        kOp, context,
        [&] {
          for (std::int64_t i = 0; i < y.numel(); ++i) y.data<T>()[i] = static_cast<T>(logistic(x.value.data<T>()[i]));
        },
        [&](const auto& device) { device.sigmoid(context.launch(), y.numel(), x.value.data<T>(), y.data<T>()); });
    return record(kOp, y, {&x}, [saved = Saved(x.value)](BackwardPass& pass) {
      const Context& c = pass.context();
      const Tensor& in = saved.get(kOp);
      const T* dy = pass.output().data<T>();
      GradTarget target = pass.target(0, in.shape(), in.dtype());
      dispatch_float<T>(
          kOp, c, [&] { add_slope<T>(target, in, [&](std::int64_t i) { return static_cast<double>(dy[i]); }); },
          [&](const auto& device) {
            device.sigmoid_backward(c.launch(), in.numel(), in.data<T>(), dy, target.tensor.template data<T>(),
                                    target.accumulate);
          });
    });
  });
}

Var l0_loss(Context& context, const Var& logits) {
  static constexpr std::string_view kOp = "l0_loss";
  if (logits.value.numel() == 0) throw_error<ShapeError>("{}: logits {} are empty", kOp, logits.shape().str());
  return with_float_type(kOp, logits.dtype(), [&](auto type) {
    using T = decltype(type);
    const double share = 1.0 / static_cast<double>(logits.value.numel());
    Tensor loss = Tensor::empty(context, {1}, logits.dtype());
    dispatch_float<T>(
        kOp, context,
        [&] {
          double sum = 0;
          for (const T logit : logits.value.span<T>()) sum += logistic(logit);
          loss.data<T>()[0] = static_cast<T>(sum * share);
        },
        [&](const auto& device) {
          Tensor partials = Tensor::empty(context, {kernels::device::kSumPartials}, DType::f64);
          Tickets ticket(context);
          device.sum_sigmoid(context.launch(), logits.value.numel(), logits.value.data<T>(), share, loss.data<T>(),
                             partials.data<double>(), ticket.data());
        });
    return record(kOp, loss, {&logits}, [saved = Saved(logits.value), share](BackwardPass& pass) {
      const Context& c = pass.context();
      const Tensor& in = saved.get(kOp);
      const T* dy = pass.output().data<T>();
      GradTarget target = pass.target(0, in.shape(), in.dtype());
      dispatch_float<T>(
          kOp, c,
          [&] {
            const double scale = share * static_cast<double>(dy[0]);
            add_slope<T>(target, in, [&](std::int64_t) { return scale; });
          },
          [&](const auto& device) {
            device.sum_sigmoid_backward(c.launch(), in.numel(), in.data<T>(), share, dy,
                                        target.tensor.template data<T>(), target.accumulate);
          });
    });
  });
}

}  // namespace bsg::ops
