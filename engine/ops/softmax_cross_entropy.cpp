#include "engine/ops/softmax_cross_entropy.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "engine/core/dispatch.hpp"
#include "engine/ops/float_dispatch.hpp"
#include "engine/ops/loss_gradient.hpp"
#include "engine/ops/tickets.hpp"
#include "kernels/common/parallel_for.hpp"

namespace bsg::ops {

namespace {

constexpr std::string_view kOp = "softmax_cross_entropy";

// The mean loss; gradient receives softmax minus target, weighted, over the weight of all positions that count.
// weights: of the classes.
template <class T>
double loss_and_gradient(const Context& context, const Tensor& logits, const Tensor& labels,
                         const std::vector<double>& weights, const CrossEntropyOptions& options, Tensor& gradient) {
  const Shape& in = logits.shape();
  const std::int64_t classes = in[1], plane = in.rank() == 4 ? in[2] * in[3] : 1, positions = in[0] * plane;
  const std::int64_t* label = labels.data<std::int64_t>();
  const T* z = logits.data<T>();
  T* dz = gradient.data<T>();
  const double* const w = weights.data();
  double counted = 0;
  for (std::int64_t i = 0; i < positions; ++i)
    if (label[i] != options.ignore_index) counted += w[label[i]];
  if (counted == 0) return 0;
  const double share = 1 / counted, smooth = options.label_smoothing;
  const double everywhere = smooth / static_cast<double>(classes);  // of the target, for each class
  const double all_weights = std::accumulate(weights.begin(), weights.end(), 0.0);
  // The losses of parts of the positions, which their number alone decides, are added in order.
  constexpr std::int64_t kPositions = 4096;
  const std::int64_t parts = std::clamp<std::int64_t>(positions / kPositions, 1, kernels::kReductionParts);
  std::vector<double> losses(static_cast<std::size_t>(parts));
  const auto add_part = [&](std::int64_t part) {
    double loss = 0;
    for (std::int64_t i = positions * part / parts; i < positions * (part + 1) / parts; ++i) {
      if (label[i] == options.ignore_index) continue;
      const std::int64_t base = i / plane * classes * plane + i % plane;
      double largest = -std::numeric_limits<double>::infinity();
      for (std::int64_t k = 0; k < classes; ++k) largest = std::max<double>(largest, z[base + k * plane]);
      double sum = 0, total = 0;
      for (std::int64_t k = 0; k < classes; ++k) {
        sum += std::exp(z[base + k * plane] - largest);
        total += w[k] * z[base + k * plane];
      }
      const double log_sum = largest + std::log(sum), of_label = (1 - smooth) * w[label[i]];
      loss += of_label * (log_sum - z[base + label[i] * plane]);
      // Without smoothing a class that is masked out by a logit of -infinity costs nothing: no 0 * infinity.
      if (smooth > 0) loss += everywhere * (all_weights * log_sum - total);
      for (std::int64_t k = 0; k < classes; ++k) {
        const double target = (k == label[i] ? of_label : 0) + everywhere * w[k];
        const double probability = std::exp(z[base + k * plane] - log_sum);
        dz[base + k * plane] = static_cast<T>(share * ((of_label + everywhere * all_weights) * probability - target));
      }
    }
    losses[static_cast<std::size_t>(part)] = loss;
  };
  kernels::parallel_for(context.launch(), parts, 4 * positions * classes, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t part = begin; part < end; ++part) add_part(part);
  });
  return std::accumulate(losses.begin(), losses.end(), 0.0) * share;
}

// Labels that are no class, before anything is computed from them.
void check_labels(const Tensor& labels, std::int64_t classes, std::int64_t ignore_index) {
  const std::vector<std::int64_t> label = labels.values<std::int64_t>();
  for (std::size_t i = 0; i < label.size(); ++i)
    if (label[i] != ignore_index && (label[i] < 0 || label[i] >= classes))
      throw_error<ShapeError>("{}: label {} at position {}, there are {} classes", kOp, label[i], i, classes);
}

// By class, checked.
std::vector<double> weights_of(const Tensor& given, std::int64_t classes) {
  if (!given.defined()) return std::vector<double>(static_cast<std::size_t>(classes), 1.0);
  if (given.shape() != Shape{classes})
    throw_error<ShapeError>("{}: class_weights {}, expected [{}]", kOp, given.shape().str(), classes);
  std::vector<double> weights;
  with_float_type(kOp, given.dtype(), [&](auto type) {
    for (const auto weight : given.values<decltype(type)>()) weights.push_back(static_cast<double>(weight));
  });
  for (std::size_t k = 0; k < weights.size(); ++k)
    if (!(weights[k] >= 0 && std::isfinite(weights[k])))
      throw_error<ShapeError>("{}: class {} has weight {}, expected a finite one of at least 0", kOp, k, weights[k]);
  return weights;
}

}  // namespace

Var softmax_cross_entropy(Context& context, const Var& logits, const Tensor& labels,
                          const CrossEntropyOptions& options) {
  const Shape& in = logits.shape();
  const bool planes = in.rank() == 4;
  const Shape expected = planes ? Shape{in[0], in[2], in[3]} : Shape{in.rank() > 0 ? in[0] : 0};
  if ((in.rank() != 2 && !planes) || labels.shape() != expected || labels.dtype() != DType::i64 || in[1] < 1)
    throw_error<ShapeError>(
        "{}: logits {}, labels {} {}; expected [N, K] with i64 [N], or [N, K, H, W] with i64 [N, H, W]", kOp, in.str(),
        to_string(labels.dtype()), labels.shape().str());
  if (!(options.label_smoothing >= 0 && options.label_smoothing < 1))
    throw_error<ShapeError>("{}: label_smoothing {}, expected a value in [0, 1)", kOp, options.label_smoothing);
  check_labels(labels, in[1], options.ignore_index);
  const std::vector<double> weights = weights_of(options.class_weights, in[1]);
  return with_float_type(kOp, logits.dtype(), [&](auto type) {
    using T = decltype(type);
    // The gradient falls off with the loss.
    Tensor gradient = Tensor::zeros(context, in, logits.dtype());
    Tensor loss = Tensor::empty(context, {1}, logits.dtype());
    dispatch_float<T>(
        kOp, context,
        [&] {
          loss.data<T>()[0] =
              static_cast<T>(loss_and_gradient<T>(context, logits.value, labels, weights, options, gradient));
        },
        [&](const auto& device) {
          using kernels::device::CrossEntropyScratch;
          Tensor class_weights;  // where there are none, the device reads none
          if (options.class_weights.defined())
            class_weights = Tensor::from<float>(context, {in[1]}, std::vector<float>(weights.begin(), weights.end()));
          const kernels::device::CrossEntropy arguments{
              .positions = labels.numel(),
              .classes = in[1],
              .label_smoothing = options.label_smoothing,
              .ignore_index = options.ignore_index,
              .class_weights = class_weights.defined() ? class_weights.data<float>() : nullptr};
          const Tensor there = labels.to(context);
          Tensor log_sum = Tensor::empty(context, {arguments.positions}), share = Tensor::empty(context, {1});
          Tensor partials = Tensor::empty(context, {CrossEntropyScratch::kPartials}, DType::f64);
          Tickets ticket(context);
          const kernels::device::CrossEntropySaved saved{log_sum.data<float>(), share.data<float>()};
          device.softmax_cross_entropy(context.launch(), arguments, logits.value.data<T>(), there.data<std::int64_t>(),
                                       loss.data<T>(), saved, {partials.data<double>(), ticket.data()});
          device.softmax_cross_entropy_backward(context.launch(), arguments, logits.value.data<T>(),
                                                there.data<std::int64_t>(), saved, nullptr, gradient.data<T>(), false);
        });
    return record(kOp, loss, {&logits},
                  [saved = Saved(gradient)](BackwardPass& pass) { hand_on<T>(kOp, pass, saved.get(kOp)); });
  });
}

}  // namespace bsg::ops
