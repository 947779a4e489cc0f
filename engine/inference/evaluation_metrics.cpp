#include "engine/inference/evaluation_metrics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>
#include <utility>

#include "engine/core/error.hpp"
#include "kernels/argmax/argmax.hpp"
#include "kernels/common/parallel_for.hpp"

namespace bsg::inference {
namespace {

constexpr std::int64_t kTop = 5;
constexpr std::int64_t kPixelsPerPart = 4096;

// -log softmax(logits)[label], with the largest logit taken out so that nothing overflows.
double cross_entropy(std::span<const float> logits, std::int64_t label) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
  return largest + std::log(sum) - static_cast<double>(logits[static_cast<std::size_t>(label)]);
}

// Whether a class with logit a is told rather than one with b.
bool exceeds(float a, float b) { return a > b || (std::isnan(a) && !std::isnan(b)); }

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

EvaluationMetrics::EvaluationMetrics(const nn::MacModel& macs, int threads)
    : macs_(&macs), threads_(threads), open_per_gate_(static_cast<std::size_t>(macs.gates())) {}

void EvaluationMetrics::add(const Output& output, const Tensor& labels, std::span<const float> difficulty) {
  add(*macs_, output, labels, difficulty);
}

void EvaluationMetrics::add(const nn::MacModel& macs, const Output& output, const Tensor& labels,
                            std::span<const float> difficulty) {
  const Shape& shape = output.logits.shape();
  const bool pixels = shape.rank() == 4;
  const std::int64_t images = shape.rank() > 0 ? shape[0] : 0;
  const auto layers = static_cast<std::int64_t>(macs_->layers.size());
  const auto gates = static_cast<std::int64_t>(open_per_gate_.size());
  const std::int64_t rows = output.open.shape().rank() == 2 ? output.open.shape()[0] : 0;
  if ((shape.rank() != 2 && !pixels) ||
      labels.shape() != (pixels ? Shape{images, shape[2], shape[3]} : Shape{images}) ||
      output.open.shape() != Shape{rows, layers} || (images > 0 && (rows < images || rows % images != 0)) ||
      (output.gates.defined() && output.gates.shape() != Shape{rows, gates}) ||
      static_cast<std::int64_t>(macs.layers.size()) != layers || macs.gates() != gates ||
      (!difficulty.empty() && static_cast<std::int64_t>(difficulty.size()) != images))
    throw_error<ShapeError>(
        "evaluation: logits {}, open {}, gates {}, labels {}, {} difficulties for {} layers with {} gates", shape.str(),
        output.open.shape().str(), output.gates.shape().str(), labels.shape().str(), difficulty.size(), layers, gates);
  const std::int64_t classes = shape[1];
  if (classes_ != 0 && (classes != classes_ || pixels != pixels_))
    throw_error<ShapeError>("evaluation: logits {} after those of {} classes for each {}", shape.str(), classes_,
                            pixels_ ? "pixel" : "image");
  const std::span<const std::int64_t> label = labels.span<std::int64_t>();
  for (std::size_t i = 0; i < label.size(); ++i)
    if (label[i] >= classes || (label[i] < 0 && !pixels))
      throw_error<ShapeError>("evaluation: label {} at {}, there are {} classes", label[i], i, classes);
  if (images == 0) return;
  if (classes_ == 0 && pixels) confusion_ = ConfusionMatrix(classes);
  classes_ = classes;
  pixels_ = pixels;

  const std::int64_t windows = rows / images;
  const auto logits_each = static_cast<std::size_t>(output.logits.numel() / images),
             labels_each = static_cast<std::size_t>(labels.numel() / images);
  std::vector<std::int64_t> open(macs.layers.size());
  const std::int32_t* row = output.open.data<std::int32_t>();
  for (std::int64_t n = 0; n < images; ++n) {
    const auto at = static_cast<std::size_t>(n);
    Image image{.gates = windows * gates,
                .macs_dense = windows * macs.dense,
                .difficulty = difficulty.empty() ? std::numeric_limits<float>::quiet_NaN() : difficulty[at]};
    const auto logits = output.logits.span<float>().subspan(at * logits_each, logits_each);
    if (pixels) {
      add_pixels(classes, logits, label.subspan(at * labels_each, labels_each), image);
    } else {
      add_class(logits, label[at], image);
    }
    std::vector<std::int64_t> open_here(open.size());
    for (std::int64_t window = 0; window < windows; ++window, row += layers) {
      std::copy_n(row, layers, open.begin());
      for (std::size_t layer = 0; layer < open.size(); ++layer) open_here[layer] += open[layer];
      image.macs += macs.needed(open);
    }
    image.open = std::accumulate(open_here.begin(), open_here.end(), std::int64_t{0});
    open_per_image_.insert(open_per_image_.end(), open_here.begin(), open_here.end());
    windows_per_image_.push_back(windows);
    images_.push_back(image);
  }
  if (!output.gates.defined()) return;
  windows_with_gates_ += rows;
  const std::uint8_t* gate = output.gates.data<std::uint8_t>();
  for (std::int64_t n = 0; n < rows; ++n)
    for (std::int64_t& count : open_per_gate_) count += *gate++;
}

void EvaluationMetrics::add_class(std::span<const float> logits, std::int64_t label, Image& image) const {
  image.loss = cross_entropy(logits, label);
  const auto chosen = static_cast<std::size_t>(label);
  std::int64_t before = 0;
  for (std::size_t c = 0; c < logits.size(); ++c)
    before += c < chosen ? !exceeds(logits[chosen], logits[c]) : exceeds(logits[c], logits[chosen]);
  image.accuracy = before == 0 ? 1 : 0;
  image.in_top5 = before < kTop;
}

void EvaluationMetrics::add_pixels(std::int64_t classes, std::span<const float> logits,
                                   std::span<const std::int64_t> labels, Image& image) {
  const auto pixels = static_cast<std::int64_t>(labels.size());
  const kernels::Launch launch{.threads = threads_};
  std::vector<std::int32_t> predictions(labels.size());
  kernels::cpu::argmax_channels(launch, 1, classes, pixels, logits.data(), predictions.data());
  // Parts by the image's size alone, so that the sum's order does not depend on the threads.
  const std::int64_t parts = (pixels + kPixelsPerPart - 1) / kPixelsPerPart;
  std::vector<double> losses(static_cast<std::size_t>(parts));
  kernels::parallel_for(launch, parts, pixels * classes, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t part = begin; part < end; ++part)
      for (std::int64_t i = part * kPixelsPerPart; i < std::min(pixels, (part + 1) * kPixelsPerPart); ++i) {
        const auto at = static_cast<std::size_t>(i);
        if (labels[at] < 0) continue;
        const float largest = logits[static_cast<std::size_t>(predictions[at] * pixels + i)];
        float sum = 0;
        for (std::int64_t c = 0; c < classes; ++c)
          sum += std::exp(logits[static_cast<std::size_t>(c * pixels + i)] - largest);
        losses[static_cast<std::size_t>(part)] +=
            static_cast<double>(largest + std::log(sum)) - logits[static_cast<std::size_t>(labels[at] * pixels + i)];
      }
  });
  ConfusionMatrix confusion(classes);
  confusion.add(predictions, labels);
  if (const std::int64_t labelled = confusion.pixels(); labelled > 0)
    image.loss = std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(labelled);
  const SegmentationScores scores = confusion.scores();
  image.accuracy = scores.pixel_accuracy;
  image.mean_iou = scores.mean_iou;
  confusion_.add(confusion);
}

ImageResult EvaluationMetrics::image(std::int64_t index) const {
  const auto at = static_cast<std::size_t>(index);
  const Image& image = images_[at];
  ImageResult result{
      .loss = image.loss, .accuracy = image.accuracy, .density = density_of({&image, 1}), .macs = image.macs};
  if (pixels_) result.mean_iou = image.mean_iou;
  for (std::size_t layer = 0; layer < macs_->layers.size(); ++layer)
    result.density_per_layer.push_back(static_cast<double>(open_per_image_[at * macs_->layers.size() + layer]) /
                                       static_cast<double>(windows_per_image_[at] * macs_->layers[layer].gates));
  return result;
}

double EvaluationMetrics::density_of(std::span<const Image> images) {
  double open = 0, gates = 0;
  for (const Image& image : images) {
    open += static_cast<double>(image.open);
    gates += static_cast<double>(image.gates);
  }
  return gates > 0 ? open / gates : 1;
}

Evaluation EvaluationMetrics::result() const {
  Evaluation result;
  result.images = images();
  result.macs_dense = macs_->dense;
  if (images_.empty()) return result;
  const auto count = static_cast<double>(images_.size());

  std::int64_t macs = 0, macs_dense = 0;
  double in_top5 = 0;
  result.macs_min = std::numeric_limits<std::int64_t>::max();
  for (const Image& image : images_) {
    result.loss += image.loss / count;
    result.top1 += image.accuracy;
    in_top5 += image.in_top5 ? 1 : 0;
    macs += image.macs;
    macs_dense += image.macs_dense;
    result.macs_min = std::min(result.macs_min, image.macs);
    result.macs_max = std::max(result.macs_max, image.macs);
  }
  result.top1 *= 100 / count;
  if (pixels_) {
    result.segmentation = confusion_.scores();
    result.top1 = 100 * result.segmentation->pixel_accuracy;
  } else if (classes_ > kTop) {
    result.top5 = 100 * in_top5 / count;
  }
  result.macs_mean = static_cast<double>(macs) / count;
  result.macs_dense = (2 * macs_dense + images()) / (2 * images());  // to the nearest
  result.density = density_of(images_);
  const std::int64_t windows = std::accumulate(windows_per_image_.begin(), windows_per_image_.end(), std::int64_t{0});
  const std::size_t layers = macs_->layers.size();
  for (std::size_t layer = 0; layer < layers; ++layer) {
    std::int64_t open = 0;
    for (std::size_t image = 0; image < images_.size(); ++image) open += open_per_image_[image * layers + layer];
    result.density_per_layer.push_back(static_cast<double>(open) /
                                       static_cast<double>(windows * macs_->layers[layer].gates));
  }

  std::vector<Image> sorted = images_;
  const auto ends = [&](std::size_t size) {
    const std::span<const Image> all(sorted);
    return std::pair(density_of(all.first(size)), density_of(all.last(size)));
  };
  // NaN last: it is not less than anything, nor is anything less than it.
  const auto by_loss = [](const Image& a, const Image& b) {
    return std::isnan(b.loss) ? !std::isnan(a.loss) : a.loss < b.loss;
  };
  std::stable_sort(sorted.begin(), sorted.end(), by_loss);
  std::tie(result.density_easiest_tenth, result.density_hardest_tenth) =
      ends(std::max<std::size_t>(1, sorted.size() / 10));
  const bool known =
      std::none_of(sorted.begin(), sorted.end(), [](const Image& image) { return std::isnan(image.difficulty); });
  if (known) {
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const Image& a, const Image& b) { return a.difficulty < b.difficulty; });
    std::tie(result.density_easy, result.density_hard) = ends(std::max<std::size_t>(1, sorted.size() / 3));
  }

  if (windows_with_gates_ > 0 && !open_per_gate_.empty()) {
    const std::span<const std::int64_t> all(open_per_gate_);
    result.gate_use = use_of(all, windows_with_gates_);
    std::size_t first = 0;
    for (const nn::GatedLayer& layer : macs_->layers) {
      result.gate_use_per_layer.push_back(
          use_of(all.subspan(first, static_cast<std::size_t>(layer.gates)), windows_with_gates_));
      first += static_cast<std::size_t>(layer.gates);
    }
  }
  return result;
}

}  // namespace bsg::inference
