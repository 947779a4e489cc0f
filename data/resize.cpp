#include "data/resize.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace bsg::data {
namespace {

// The weights of one output pixel: on source pixels first, first + 1, ...; their sum is 1.
struct Tap {
  int first = 0;
  std::vector<float> weights;
};

// Of `count` pixels from `offset` on in a row of `source` pixels that was resized to `resized`.
std::vector<Tap> taps_of(int source, std::int64_t resized, std::int64_t offset, int count) {
  const double scale = static_cast<double>(source) / static_cast<double>(resized);
  const double reach = std::max(scale, 1.0);
  std::vector<Tap> taps(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < taps.size(); ++i) {
    // Pixel k covers [k, k + 1).
    const double center = (static_cast<double>(offset) + static_cast<double>(i) + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(std::floor(center - reach)));
    const int last = std::min(source - 1, static_cast<int>(std::floor(center + reach)));
    std::vector<double> weights;
    double sum = 0;
    for (int k = first; k <= last; ++k) {
      weights.push_back(std::max(0.0, 1 - std::abs(k + 0.5 - center) / reach));
      sum += weights.back();
    }
    taps[i].first = first;
    for (const double weight : weights) taps[i].weights.push_back(static_cast<float>(weight / sum));
  }
  return taps;
}

struct Axis {
  std::int64_t resized, offset;
};

// torchvision's Resize and CenterCrop.
Axis axis_of(std::int64_t resized, int target) {
  const double half = static_cast<double>(resized - target) / 2;
  return {resized, static_cast<std::int64_t>(std::nearbyint(half))};
}

}  // namespace

Image resize_and_crop(const Image& image, int height, int width) {
  const std::int64_t h = image.height, w = image.width;
  const bool height_is_tight = height * w >= width * h;
  const Axis rows = axis_of(height_is_tight ? height : std::max<std::int64_t>(height, h * width / w), height);
  const Axis columns = axis_of(height_is_tight ? std::max<std::int64_t>(width, w * height / h) : width, width);
  const auto row_taps = taps_of(image.height, rows.resized, rows.offset, height);
  const auto column_taps = taps_of(image.width, columns.resized, columns.offset, width);

  // Across first, on the rows that are needed.
  const int first_row = row_taps.front().first;
  const int last_row = row_taps.back().first + static_cast<int>(row_taps.back().weights.size());
  const std::size_t row_values = static_cast<std::size_t>(width) * 3;
  std::vector<float> across(static_cast<std::size_t>(last_row - first_row) * row_values, 0.0f);
  for (int y = first_row; y < last_row; ++y) {
    const std::uint8_t* source = image.pixels.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(w) * 3;
    float* out = across.data() + static_cast<std::size_t>(y - first_row) * row_values;
    for (const Tap& tap : column_taps) {
      const std::uint8_t* pixel = source + static_cast<std::size_t>(tap.first) * 3;
      for (const float weight : tap.weights) {
        for (int c = 0; c < 3; ++c) out[c] += weight * static_cast<float>(*pixel++);
      }
      out += 3;
    }
  }

  Image result{height, width, std::vector<std::uint8_t>(static_cast<std::size_t>(height) * row_values)};
  std::vector<float> sums(row_values);
  for (std::size_t y = 0; y < row_taps.size(); ++y) {
    std::fill(sums.begin(), sums.end(), 0.0f);
    const float* in = across.data() + static_cast<std::size_t>(row_taps[y].first - first_row) * row_values;
    for (const float weight : row_taps[y].weights) {
      for (std::size_t i = 0; i < row_values; ++i) sums[i] += weight * in[i];
      in += row_values;
    }
    for (std::size_t i = 0; i < row_values; ++i) {
      result.pixels[y * row_values + i] = static_cast<std::uint8_t>(std::clamp(sums[i] + 0.5f, 0.0f, 255.0f));
    }
  }
  return result;
}

}  // namespace bsg::data
