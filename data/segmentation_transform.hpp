// For segmentation: an image and its annotation are resized, cropped and mirrored together; the image's colours are
// varied and normalised.
#pragma once

#include <array>

#include "data/color_jitter.hpp"
#include "data/normalization.hpp"
#include "data/transform.hpp"

namespace bsg::data {

struct SegmentationTransformOptions {
  // Training: of the crop. Evaluation: of the images, which are taken as they are.
  int height = 0, width = 0;
  std::array<double, 3> mean = {0.485, 0.456, 0.406};  // of red, green and blue in 0..1
  std::array<double, 3> std = {0.229, 0.224, 0.225};
  bool training = false;
  // Training only: the image is resized by a factor that is drawn evenly from this range, both sides alike; a crop lies
  // at a random place of it, or it at a random place in the crop, on either axis; half of the crops are mirrored.
  double scale_min = 1, scale_max = 1;
  bool flip = false;
  ColorJitter color_jitter;  // of what the crop shows of the image
};

// Where a crop reaches beyond the image it has the mean colour, so 0, and kNoLabel. Images are resized bilinearly, with
// antialiasing where they shrink; a pixel's label is that of the pixel of the annotation in which its centre lies:
// labels are never mixed. What is around an image
// is not jittered: contrast is varied about the mean grey of what the crop shows of it.
class SegmentationTransform : public Transform {
 public:
  // Throws ConfigError for a size below 1, a range of scales that is empty or not positive, a strength of colour jitter
  // outside of [0, 1], and what make_normalization throws.
  explicit SegmentationTransform(const SegmentationTransformOptions& options);

  int height() const override { return options_.height; }
  int width() const override { return options_.width; }
  bool labels_pixels() const override { return true; }
  std::uint64_t draws() const override;
  // Throws also DataError, naming the example's source, for an example without annotation, for one whose size is not
  // the image's, and in evaluation for an image of another size than the network's.
  float load(const Dataset& dataset, std::int64_t index, Generator& random, float* image,
             std::int64_t* labels) const override;

 private:
  SegmentationTransformOptions options_;
  bool jitters_;
  Normalization normalization_;
};

}  // namespace bsg::data
