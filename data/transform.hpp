// From an image to what the network takes: resize, crop, mirror, normalise.
#pragma once

#include <array>

#include "data/dataset.hpp"
#include "data/loader.hpp"
#include "engine/core/random.hpp"

namespace bsg::data {

class Transform {
 public:
  // Throws ConfigError for a size below 1, a negative padding, a mean that is not finite, a deviation that is not
  // positive.
  explicit Transform(const TransformOptions& options);

  // Values that the transform of one image takes from its generator, at most.
  static constexpr std::uint64_t kDraws = 8;

  // out: [3][height][width]. Draws only what the options ask for.
  void apply(const Image& image, Generator& random, float* out) const;

 private:
  TransformOptions options_;
  // (value / 255 - mean) / std for each channel and value
  std::array<std::array<float, 256>, 3> normalized_{};
};

}  // namespace bsg::data
