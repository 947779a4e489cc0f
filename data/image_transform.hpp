// For classification: a part of an image is resized, mirrored, its colours are varied and normalised.
#pragma once

#include <array>

#include "data/color_jitter.hpp"
#include "data/normalization.hpp"
#include "data/transform.hpp"

namespace bsg::data {

struct ImageTransformOptions {
  // Image size that the network takes. Images of another size are resized (bilinear, antialiased), shorter side first,
  // and cropped in the middle.
  int height = 32, width = 32;
  std::array<double, 3> mean = {0.4914, 0.4822, 0.4465};  // of red, green and blue in 0..1
  std::array<double, 3> std = {0.2023, 0.1994, 0.2010};
  // What every image's shorter side is resized to before the crop in the middle; 0: to what the crop needs.
  int resize = 0;

  // Training only. A random crop out of the image with so many black pixels around it:
  int crop_padding = 0;
  // Or, instead of `resize` and the middle: a random box of the image, resized to the network's size. Its area is a
  // share of the image's drawn from [crop_scale_min, 1], its shape is drawn from 3:4 to 4:3, evenly in the logarithm.
  // Ten boxes are drawn until one fits into the image; after that, the middle in the nearest shape is taken.
  bool random_resized_crop = false;
  double crop_scale_min = 0.08;
  // A mirror image half of the time.
  bool flip = false;
  ColorJitter color_jitter;
};

class ImageTransform : public Transform {
 public:
  // Throws ConfigError for options out of their range, a `resize` below the network's size, crop_padding together with
  // random_resized_crop, a mean that is not finite, a deviation that is not positive.
  explicit ImageTransform(const ImageTransformOptions& options);

  int height() const override { return options_.height; }
  int width() const override { return options_.width; }
  std::uint64_t draws() const override;
  // Has no more decoded of the image than what it shows, at no larger a scale than it needs.
  float load(const Dataset& dataset, std::int64_t index, Generator& random, float* image,
             std::int64_t* labels) const override;

  // Of an image that is there. out: [3][height][width]. Draws only what the options ask for.
  void apply(const Image& image, Generator& random, float* out) const;

 private:
  Frame choose_frame(ImageSize whole, Generator& random) const;
  void finish(Image&& image, const Box& box, Generator& random, float* out) const;
  void write(const Image& image, int shift_y, int shift_x, bool mirror, float* out) const;

  ImageTransformOptions options_;
  bool jitters_;
  Normalization normalized_;
};

}  // namespace bsg::data
