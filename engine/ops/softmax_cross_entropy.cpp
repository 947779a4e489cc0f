#include "engine/ops/softmax_cross_entropy.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/ops/float_dispatch.hpp"

namespace bsg::ops {

Var softmax_cross_entropy(Context& context, const Var& logits, const Tensor& labels,
                          const CrossEntropyOptions& options) {
  static constexpr std::string_view kOp = "softmax_cross_entropy";
  const Shape& in = logits.shape();
  const bool planes = in.rank() == 4;
  const Shape expected = planes ? Shape{in[0], in[2], in[3]} : Shape{in.rank() > 0 ? in[0] : 0};
  if ((in.rank() != 2 && !planes) || labels.shape() != expected || labels.dtype() != DType::i64 || in[1] < 1)
    throw_error<ShapeError>(
        "{}: logits {}, labels {} {}; expected [N, K] with i64 [N], or [N, K, H, W] with i64 [N, H, W]", kOp, in.str(),
        to_string(labels.dtype()), labels.shape().str());
  if (!(options.label_smoothing >= 0 && options.label_smoothing < 1))
    throw_error<ShapeError>("{}: label_smoothing {}, expected a value in [0, 1)", kOp, options.label_smoothing);
  const std::int64_t classes = in[1], plane = planes ? in[2] * in[3] : 1, positions = in[0] * plane;
  const std::int64_t* label = labels.data<std::int64_t>();
  std::int64_t counted = 0;
  for (std::int64_t i = 0; i < positions; ++i) {
    if (label[i] == options.ignore_index) continue;
    if (label[i] < 0 || label[i] >= classes)
      throw_error<ShapeError>("{}: label {} at position {}, there are {} classes", kOp, label[i], i, classes);
    ++counted;
  }
  return with_float_type(kOp, logits.dtype(), [&](auto type) {
    using T = decltype(type);
    const T* z = logits.value.data<T>();
    // The gradient falls off with the loss: softmax minus target, over the number of counted positions.
    Tensor gradient = Tensor::zeros(context, in, logits.dtype());
    T* dz = gradient.data<T>();
    const double smooth = options.label_smoothing, share = counted > 0 ? 1.0 / static_cast<double>(counted) : 0;
    double loss = 0;
    for (std::int64_t i = 0; i < positions; ++i) {
      if (label[i] == options.ignore_index) continue;
      const std::int64_t base = i / plane * classes * plane + i % plane;
      double largest = -std::numeric_limits<double>::infinity();
      for (std::int64_t k = 0; k < classes; ++k) largest = std::max<double>(largest, z[base + k * plane]);
      double sum = 0, total = 0;
      for (std::int64_t k = 0; k < classes; ++k) {
        sum += std::exp(z[base + k * plane] - largest);
        total += z[base + k * plane];
      }
      const double log_sum = largest + std::log(sum);
      loss += log_sum - (1 - smooth) * z[base + label[i] * plane];
      // Without smoothing a class that is masked out by a logit of -infinity costs nothing: no 0 * infinity.
      if (smooth > 0) loss -= smooth * total / static_cast<double>(classes);
      for (std::int64_t k = 0; k < classes; ++k) {
        const double target = (k == label[i] ? 1 - smooth : 0) + smooth / static_cast<double>(classes);
        dz[base + k * plane] = static_cast<T>(share * (std::exp(z[base + k * plane] - log_sum) - target));
      }
    }
    Tensor value = Tensor::full(context, {1}, loss * share, logits.dtype());
    return record(kOp, value, {&logits}, [saved = Saved(gradient)](BackwardPass& pass) {
      const Tensor& from = saved.get(kOp);
      auto [target, accumulate] = pass.target(0, from.shape(), from.dtype());
      const T scale = pass.output().data<T>()[0];
      T* to = target.template data<T>();
      for (std::int64_t i = 0; i < from.numel(); ++i) to[i] = (accumulate ? to[i] : T{0}) + scale * from.data<T>()[i];
    });
  });
}

}  // namespace bsg::ops
