#include "engine/inference/evaluation_metrics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>
#include <utility>

#include "engine/core/error.hpp"

namespace bsg::inference {
namespace {

// -log softmax(logits)[label], with the largest logit taken out so that nothing overflows.
double cross_entropy(std::span<const float> logits, std::int64_t label) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
  return largest + std::log(sum) - static_cast<double>(logits[static_cast<std::size_t>(label)]);
}

GateUse use_of(std::span<const std::int64_t> open, std::int64_t images) {
  GateUse use;
  if (open.empty()) return use;
  for (const std::int64_t count : open) {
    const double share = static_cast<double>(count) / static_cast<double>(images);
    (share >= 0.99 ? use.always_on : share <= 0.01 ? use.always_off : use.conditional) += 1;
  }
  for (double* part : {&use.conditional, &use.always_on, &use.always_off}) *part /= static_cast<double>(open.size());
  return use;
}

}  // namespace

EvaluationMetrics::EvaluationMetrics(const nn::MacModel& macs)
    : macs_(&macs), open_per_layer_(macs.layers.size()), open_per_gate_(static_cast<std::size_t>(macs.gates())) {}

void EvaluationMetrics::add(const Output& output, const Tensor& labels, std::span<const float> difficulty) {
  const std::int64_t images = labels.numel();
  const auto layers = static_cast<std::int64_t>(macs_->layers.size());
  const auto gates = static_cast<std::int64_t>(open_per_gate_.size());
  if (output.logits.shape().rank() != 2 || output.logits.shape()[0] != images || labels.shape() != Shape{images} ||
      output.open.shape() != Shape{images, layers} ||
      (output.gates.defined() && output.gates.shape() != Shape{images, gates}) ||
      (!difficulty.empty() && static_cast<std::int64_t>(difficulty.size()) != images))
    throw_error<ShapeError>(
        "evaluation: logits {}, open {}, gates {}, labels {}, {} difficulties for {} layers with {} gates",
        output.logits.shape().str(), output.open.shape().str(), output.gates.shape().str(), labels.shape().str(),
        difficulty.size(), layers, gates);
  const std::int64_t classes = output.logits.shape()[1];
  for (std::int64_t n = 0; n < images; ++n)
    if (const std::int64_t label = labels.data<std::int64_t>()[n]; label < 0 || label >= classes)
      throw_error<ShapeError>("evaluation: label {} at {}, there are {} classes", label, n, classes);
  std::vector<std::int64_t> open(macs_->layers.size());
  for (std::int64_t n = 0; n < images; ++n) {
    const std::int64_t label = labels.data<std::int64_t>()[n];
    const auto logits =
        output.logits.span<float>().subspan(static_cast<std::size_t>(n * classes), static_cast<std::size_t>(classes));
    const std::int32_t* const row = output.open.data<std::int32_t>() + n * layers;
    std::copy_n(row, layers, open.begin());
    for (std::size_t layer = 0; layer < open.size(); ++layer) open_per_layer_[layer] += open[layer];
    images_.push_back({.loss = cross_entropy(logits, label),
                       .right = std::max_element(logits.begin(), logits.end()) - logits.begin() == label,
                       .open = std::accumulate(open.begin(), open.end(), std::int64_t{0}),
                       .macs = macs_->needed(open),
                       .difficulty = difficulty.empty() ? std::numeric_limits<float>::quiet_NaN()
                                                        : difficulty[static_cast<std::size_t>(n)]});
  }
  if (!output.gates.defined()) return;
  images_with_gates_ += images;
  const std::uint8_t* gate = output.gates.data<std::uint8_t>();
  for (std::int64_t n = 0; n < images; ++n)
    for (std::int64_t& count : open_per_gate_) count += *gate++;
}

double EvaluationMetrics::density_of(std::span<const Image> images) const {
  const std::int64_t gates = macs_->gates();
  if (gates == 0 || images.empty()) return 1;
  double open = 0;
  for (const Image& image : images) open += static_cast<double>(image.open);
  return open / (static_cast<double>(gates) * static_cast<double>(images.size()));
}

Evaluation EvaluationMetrics::result() const {
  Evaluation result;
  result.images = images();
  result.macs_dense = macs_->dense;
  if (images_.empty()) return result;
  const auto count = static_cast<double>(images_.size());

  std::int64_t macs = 0;
  result.macs_min = std::numeric_limits<std::int64_t>::max();
  for (const Image& image : images_) {
    result.loss += image.loss / count;
    result.top1 += image.right ? 1 : 0;
    macs += image.macs;
    result.macs_min = std::min(result.macs_min, image.macs);
    result.macs_max = std::max(result.macs_max, image.macs);
  }
  result.top1 *= 100 / count;
  result.macs_mean = static_cast<double>(macs) / count;
  result.density = density_of(images_);
  for (std::size_t layer = 0; layer < open_per_layer_.size(); ++layer)
    result.density_per_layer.push_back(static_cast<double>(open_per_layer_[layer]) /
                                       (count * macs_->layers[layer].gates));

  std::vector<Image> sorted = images_;
  const auto ends = [&](std::size_t size) {
    const std::span<const Image> all(sorted);
    return std::pair(density_of(all.first(size)), density_of(all.last(size)));
  };
  std::stable_sort(sorted.begin(), sorted.end(), [](const Image& a, const Image& b) { return a.loss < b.loss; });
  std::tie(result.density_easiest_tenth, result.density_hardest_tenth) =
      ends(std::max<std::size_t>(1, sorted.size() / 10));
  const bool known =
      std::none_of(sorted.begin(), sorted.end(), [](const Image& image) { return std::isnan(image.difficulty); });
  if (known) {
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const Image& a, const Image& b) { return a.difficulty < b.difficulty; });
    std::tie(result.density_easy, result.density_hard) = ends(std::max<std::size_t>(1, sorted.size() / 3));
  }

  if (images_with_gates_ > 0 && !open_per_gate_.empty()) {
    const std::span<const std::int64_t> all(open_per_gate_);
    result.gate_use = use_of(all, images_with_gates_);
    std::size_t first = 0;
    for (const nn::GatedLayer& layer : macs_->layers) {
      result.gate_use_per_layer.push_back(
          use_of(all.subspan(first, static_cast<std::size_t>(layer.gates)), images_with_gates_));
      first += static_cast<std::size_t>(layer.gates);
    }
  }
  return result;
}

}  // namespace bsg::inference
