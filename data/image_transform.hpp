// For classification: an image is resized, cropped, mirrored, normalised.
#pragma once

#include <array>

#include "data/normalization.hpp"
#include "data/transform.hpp"

namespace bsg::data {

struct ImageTransformOptions {
  // Image size that the network takes. Images of another size are resized (bilinear, antialiased), shorter side first,
  // and cropped in the middle.
  int height = 32, width = 32;
  std::array<double, 3> mean = {0.4914, 0.4822, 0.4465};  // of red, green and blue in 0..1
  std::array<double, 3> std = {0.2023, 0.1994, 0.2010};
  // Training only: a random crop out of the image with so many black pixels around it, and a mirror image half of the
  // time.
  int crop_padding = 0;
  bool flip = false;
};

class ImageTransform : public Transform {
 public:
  // Throws ConfigError for a size below 1, a negative padding, a mean that is not finite, a deviation that is not
  // positive.
  explicit ImageTransform(const ImageTransformOptions& options);

  int height() const override { return options_.height; }
  int width() const override { return options_.width; }
  std::uint64_t draws() const override { return 8; }
  float load(const Dataset& dataset, std::int64_t index, Generator& random, float* image,
             std::int64_t* labels) const override;

  // out: [3][height][width]. Draws only what the options ask for.
  void apply(const Image& image, Generator& random, float* out) const;

 private:
  ImageTransformOptions options_;
  Normalization normalized_;
};

}  // namespace bsg::data
