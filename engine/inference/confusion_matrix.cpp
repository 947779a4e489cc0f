#include "engine/inference/confusion_matrix.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "engine/core/error.hpp"

namespace bsg::inference {

ConfusionMatrix::ConfusionMatrix(std::int64_t classes)
    : classes_(classes), counts_(static_cast<std::size_t>(classes * classes)) {}

void ConfusionMatrix::add(std::span<const std::int32_t> predictions, std::span<const std::int64_t> labels) {
  if (predictions.size() != labels.size())
    throw_error<ShapeError>("confusion matrix: {} predictions, {} labels", predictions.size(), labels.size());
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] >= classes_ || predictions[i] < 0 || predictions[i] >= classes_)
      throw_error<ShapeError>("confusion matrix: label {}, prediction {} at {}, there are {} classes", labels[i],
                              predictions[i], i, classes_);
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] >= 0) ++counts_[static_cast<std::size_t>(labels[i] * classes_ + predictions[i])];
}

void ConfusionMatrix::add(const ConfusionMatrix& other) {
  if (other.classes_ != classes_)
    throw_error<ShapeError>("confusion matrix: {} classes and {}", classes_, other.classes_);
  for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
}

void ConfusionMatrix::restore(const std::vector<std::int64_t>& counts, const std::string& name_for_errors) {
  if (counts.size() != counts_.size() || std::ranges::any_of(counts, [](std::int64_t count) { return count < 0; }))
    throw_error<DataError>("{}: {} counts of pixels for {} classes, or one of them is negative", name_for_errors,
                           counts.size(), classes_);
  counts_ = counts;
}

std::int64_t ConfusionMatrix::pixels() const {
  return std::accumulate(counts_.begin(), counts_.end(), std::int64_t{0});
}

SegmentationScores ConfusionMatrix::scores() const {
  SegmentationScores scores;
  const auto classes = static_cast<std::size_t>(classes_);
  std::int64_t right = 0, occurring = 0;
  for (std::size_t c = 0; c < classes; ++c) {
    const std::int64_t both = counts_[c * classes + c];
    std::int64_t either = -both;
    for (std::size_t other = 0; other < classes; ++other)
      either += counts_[c * classes + other] + counts_[other * classes + c];
    right += both;
    if (either > 0) {
      scores.iou_per_class.push_back(static_cast<double>(both) / static_cast<double>(either));
      scores.mean_iou += scores.iou_per_class.back();
      ++occurring;
    } else {
      scores.iou_per_class.push_back(std::numeric_limits<double>::quiet_NaN());
    }
  }
  if (occurring == 0) return scores;
  scores.mean_iou /= static_cast<double>(occurring);
  scores.pixel_accuracy = static_cast<double>(right) / static_cast<double>(pixels());
  return scores;
}

}  // namespace bsg::inference
