// An image that is larger than what a network is given at once, seen through windows that overlap.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/core/tensor.hpp"

namespace bsg::inference {

struct WindowOptions {
  std::int64_t height = 0, width = 0;  // of a window
  double overlap = 1.0 / 3;            // of neighbours, at least: a share of the window
};

// Where windows begin so that they cover an axis: evenly spaced by no more than the overlap allows, but for the last
// one, which ends where the axis does. One window, from 0, where the axis is no longer than it. extent, window >= 1.
std::vector<std::int64_t> window_starts(std::int64_t extent, std::int64_t window, double overlap);

class Windows {
 public:
  // Over images of this size. Throws ConfigError for extents below 1 and an overlap outside [0, 1).
  Windows(std::int64_t height, std::int64_t width, const WindowOptions& options);

  std::int64_t count() const { return static_cast<std::int64_t>(rows_.size() * columns_.size()); }

  // image f32 [1, C, H, W] -> [count, C, window's height, width], row by row. Beyond the image all is 0: the mean of
  // normalised images.
  Tensor cut(Context& context, const Tensor& image) const;
  // logits f32 [count, K, window's height, width] -> [1, K, H, W]: the logarithm of the softmax probabilities' mean
  // over the windows that see a pixel. Probabilities below the smallest normal number count as that.
  Tensor merge(Context& context, const Tensor& logits) const;

 private:
  std::int64_t height_, width_;
  WindowOptions options_;
  std::vector<std::int64_t> rows_, columns_;
};

}  // namespace bsg::inference
