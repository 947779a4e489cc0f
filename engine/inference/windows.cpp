#include "engine/inference/windows.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/core/error.hpp"
#include "kernels/common/parallel_for.hpp"

namespace bsg::inference {

std::vector<std::int64_t> window_starts(std::int64_t extent, std::int64_t window, double overlap) {
  std::vector<std::int64_t> starts = {0};
  const auto step = std::max<std::int64_t>(1, std::llround(std::floor(static_cast<double>(window) * (1 - overlap))));
  while (starts.back() + window < extent) starts.push_back(std::min(starts.back() + step, extent - window));
  return starts;
}

Windows::Windows(std::int64_t height, std::int64_t width, const WindowOptions& options)
    : height_(height), width_(width), options_(options) {
  if (height < 1 || width < 1 || options.height < 1 || options.width < 1)
    throw_error<ConfigError>("windows: {} x {} over {} x {} pixels, expected at least 1", options.height, options.width,
                             height, width);
  if (!(options.overlap >= 0 && options.overlap < 1))
    throw_error<ConfigError>("windows: overlap {:g}, expected at least 0 and below 1", options.overlap);
  rows_ = window_starts(height, options.height, options.overlap);
  columns_ = window_starts(width, options.width, options.overlap);
}

Tensor Windows::cut(Context& context, const Tensor& image) const {
  const Shape& shape = image.shape();
  if (shape.rank() != 4 || shape[0] != 1 || shape[2] != height_ || shape[3] != width_)
    throw_error<ShapeError>("windows: image {}, expected [1, C, {}, {}]", shape.str(), height_, width_);
  const std::int64_t channels = shape[1];
  Tensor windows = Tensor::zeros(context, {count(), channels, options_.height, options_.width});
  const float* from = image.data<float>();
  float* to = windows.data<float>();
  for (const std::int64_t row : rows_)
    for (const std::int64_t column : columns_)
      for (std::int64_t channel = 0; channel < channels; ++channel, to += options_.height * options_.width)
        for (std::int64_t y = 0; y < std::min(options_.height, height_ - row); ++y)
          std::copy_n(from + (channel * height_ + row + y) * width_ + column, std::min(options_.width, width_ - column),
                      to + y * options_.width);
  return windows;
}

Tensor Windows::merge(Context& context, const Tensor& logits) const {
  const Shape& shape = logits.shape();
  if (shape.rank() != 4 || shape[0] != count() || shape[2] != options_.height || shape[3] != options_.width)
    throw_error<ShapeError>("windows: logits {}, expected [{}, K, {}, {}]", shape.str(), count(), options_.height,
                            options_.width);
  const std::int64_t classes = shape[1], plane = height_ * width_, window_plane = options_.height * options_.width;
  Tensor merged = Tensor::zeros(context, {1, classes, height_, width_});
  const float* const from = logits.data<float>();
  float* const to = merged.data<float>();
  // One row of the image after the other, so that the order of a pixel's windows does not depend on the threads.
  kernels::parallel_for(context.launch(), height_, 4 * plane * classes, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> probabilities(static_cast<std::size_t>(classes));
    std::vector<float> seen(static_cast<std::size_t>(width_));
    for (std::int64_t y = begin; y < end; ++y) {
      std::ranges::fill(seen, 0.0F);
      for (std::size_t row = 0; row < rows_.size(); ++row) {
        if (y < rows_[row] || y >= rows_[row] + options_.height) continue;
        for (std::size_t column = 0; column < columns_.size(); ++column) {
          const auto window = static_cast<std::int64_t>(row * columns_.size() + column);
          const float* line = from + window * classes * window_plane + (y - rows_[row]) * options_.width;
          for (std::int64_t x = 0; x < std::min(options_.width, width_ - columns_[column]); ++x) {
            float largest = line[x], sum = 0;
            for (std::int64_t k = 1; k < classes; ++k) largest = std::max(largest, line[k * window_plane + x]);
            for (std::int64_t k = 0; k < classes; ++k)
              sum += probabilities[static_cast<std::size_t>(k)] = std::exp(line[k * window_plane + x] - largest);
            const std::int64_t at = columns_[column] + x;
            for (std::int64_t k = 0; k < classes; ++k)
              to[k * plane + y * width_ + at] += probabilities[static_cast<std::size_t>(k)] / sum;
            ++seen[static_cast<std::size_t>(at)];
          }
        }
      }
      for (std::int64_t k = 0; k < classes; ++k)
        for (std::int64_t x = 0; x < width_; ++x) {
          float& value = to[k * plane + y * width_ + x];
          const float mean = value / seen[static_cast<std::size_t>(x)];
          // A NaN stays one.
          value = std::log(mean < std::numeric_limits<float>::min() ? std::numeric_limits<float>::min() : mean);
        }
    }
  });
  return merged;
}

}  // namespace bsg::inference
