#include "engine/ops/sigmoid.hpp"

#include <cmath>

#include "engine/ops/float_dispatch.hpp"

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
  return with_float_type("sigmoid", x.dtype(), [&](auto type) {
    using T = decltype(type);
    Tensor y = Tensor::empty(context, x.shape(), x.dtype());
    for (std::int64_t i = 0; i < y.numel(); ++i) y.data<T>()[i] = static_cast<T>(logistic(x.value.data<T>()[i]));
    return record("sigmoid", y, {&x}, [saved = Saved(x.value)](BackwardPass& pass) {
      const Tensor& in = saved.get("sigmoid");
      const T* dy = pass.output().data<T>();
      add_slope<T>(pass.target(0, in.shape(), in.dtype()), in,
                   [&](std::int64_t i) { return static_cast<double>(dy[i]); });
    });
  });
}

Var l0_loss(Context& context, const Var& logits) {
  if (logits.value.numel() == 0) throw_error<ShapeError>("l0_loss: logits {} are empty", logits.shape().str());
  return with_float_type("l0_loss", logits.dtype(), [&](auto type) {
    using T = decltype(type);
    double sum = 0;
    for (const T logit : logits.value.span<T>()) sum += logistic(logit);
    const double share = 1.0 / static_cast<double>(logits.value.numel());
    return record("l0_loss", Tensor::full(context, {1}, sum * share, logits.dtype()), {&logits},
                  [saved = Saved(logits.value), share](BackwardPass& pass) {
                    const Tensor& in = saved.get("l0_loss");
                    const double scale = share * static_cast<double>(pass.output().data<T>()[0]);
                    add_slope<T>(pass.target(0, in.shape(), in.dtype()), in, [&](std::int64_t) { return scale; });
                  });
  });
}

}  // namespace bsg::ops
