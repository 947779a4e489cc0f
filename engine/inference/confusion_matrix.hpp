// How well the pixels of images were told apart.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace bsg::inference {

// Intersection over union of a class: pixels that have its label and were taken for it, among those that have its
// label or were taken for it. All of these are shares, in 0..1, of pixels with a label.
struct SegmentationScores {
  double mean_iou = 0;                // over the classes that occur, as label or as prediction
  double pixel_accuracy = 0;          // pixels that were taken for what they are
  std::vector<double> iou_per_class;  // NaN for a class that does not occur
};

// Pixels by what they are and what they were taken for.
class ConfusionMatrix {
 public:
  explicit ConfusionMatrix(std::int64_t classes = 0);

  // Pixels with a negative label have none, and do not count. Throws ShapeError, and counts nothing, for a label or a
  // prediction that is no class, or when there are not as many of the one as of the other.
  void add(std::span<const std::int32_t> predictions, std::span<const std::int64_t> labels);
  // Throws ShapeError when the other one tells another number of classes apart.
  void add(const ConfusionMatrix& other);

  std::int64_t classes() const { return classes_; }
  // [classes, classes]: rows by label, columns by prediction.
  const std::vector<std::int64_t>& counts() const { return counts_; }
  // Takes up what counts() gave. Throws DataError for another number of counts, or a negative one.
  void restore(const std::vector<std::int64_t>& counts, const std::string& name_for_errors);
  std::int64_t pixels() const;
  // Zeros, and NaN for all classes, before the first pixel with a label.
  SegmentationScores scores() const;

 private:
  std::int64_t classes_ = 0;
  std::vector<std::int64_t> counts_;
};

}  // namespace bsg::inference
