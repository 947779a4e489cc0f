#include "data/resize.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace bsg::data {
namespace {

// The weights of one result pixel are on the source pixels first, first + 1, ...; their sum is 1.
struct Taps {
  std::vector<int> first;      // of each result pixel
  std::vector<int> count;      // of each result pixel
  std::vector<float> weights;  // [result pixels][stride]
  std::size_t stride = 0;
};

// How far from its centre a result pixel weighs source pixels, in these; `scale` of them make one of the result.
double reach_of(double scale) { return std::max(scale, 1.0); }

// The source pixels whose centres are within reach of `center`, which lies on one of them.
PixelRange pixels_around(double center, double reach, int pixels) {
  return {std::max(0, static_cast<int>(std::floor(center - reach + 0.5))),
          std::min(pixels, static_cast<int>(std::ceil(center + reach - 0.5)))};
}

Taps taps_of(double begin, double length, int count, int pixels) {
  const double scale = length / count, reach = reach_of(scale);
  Taps taps;
  taps.stride = static_cast<std::size_t>(std::ceil(2 * reach)) + 1;
  taps.weights.resize(static_cast<std::size_t>(count) * taps.stride);
  for (int i = 0; i < count; ++i) {
    const double center = begin + (i + 0.5) * scale;
    const auto [first, end] = pixels_around(center, reach, pixels);
    float* weights = taps.weights.data() + static_cast<std::size_t>(i) * taps.stride;
    double sum = 0;
    for (int k = first; k < end; ++k) sum += reach - std::abs(k + 0.5 - center);
    for (int k = first; k < end; ++k) {
      weights[k - first] = static_cast<float>((reach - std::abs(k + 0.5 - center)) / sum);
    }
    taps.first.push_back(first);
    taps.count.push_back(end - first);
  }
  return taps;
}

// sums[i] = the weighted sum of `rows` values at in[i], in[i + stride], ...
void weigh_rows(const std::uint8_t* in, std::size_t stride, const float* weights, int rows, std::size_t values,
                float* sums) {
  std::fill_n(sums, values, 0.0f);
  for (int k = 0; k < rows; ++k, in += stride) {
    const float weight = weights[k];
    for (std::size_t i = 0; i < values; ++i) sums[i] += weight * static_cast<float>(in[i]);
  }
}

}  // namespace

PixelRange pixels_for(double begin, double length, int count, int pixels) {
  const double scale = length / count, reach = reach_of(scale);
  return {pixels_around(begin + 0.5 * scale, reach, pixels).first,
          pixels_around(begin + (count - 0.5) * scale, reach, pixels).end};
}

Image resize_box(const Image& image, const Box& box, int height, int width) {
  const Taps down = taps_of(box.top, box.height, height, image.height);
  const Taps across = taps_of(box.left, box.width, width, image.width);
  const auto columns = pixels_for(box.left, box.width, width, image.width);
  const auto image_row = static_cast<std::size_t>(image.width) * 3;
  const auto values = static_cast<std::size_t>(columns.end - columns.first) * 3;

  Image result{height, width, {}};
  result.pixels.resize(static_cast<std::size_t>(height) * static_cast<std::size_t>(width) * 3);
  std::uint8_t* out = result.pixels.data();
  std::vector<float> row(values + 1, 0.0f);  // the pixels below are loaded by four values
  for (std::size_t y = 0; y < down.first.size(); ++y) {
    const std::uint8_t* in = image.pixels.data() + static_cast<std::size_t>(down.first[y]) * image_row +
                             static_cast<std::size_t>(columns.first) * 3;
    weigh_rows(in, image_row, down.weights.data() + y * down.stride, down.count[y], values, row.data());
    for (std::size_t x = 0; x < across.first.size(); ++x) {
      const float* pixel = row.data() + static_cast<std::size_t>(across.first[x] - columns.first) * 3;
      const float* weights = across.weights.data() + x * across.stride;
      float sums[4] = {0.5f, 0.5f, 0.5f, 0.5f};
      for (int k = 0; k < across.count[x]; ++k, pixel += 3) {
        for (int c = 0; c < 4; ++c) sums[c] += weights[k] * pixel[c];
      }
      for (int c = 0; c < 3; ++c) *out++ = static_cast<std::uint8_t>(std::clamp(sums[c], 0.0f, 255.0f));
    }
  }
  return result;
}

Frame middle_frame(ImageSize image, ImageSize covered, int height, int width) {
  const std::int64_t h = image.height, w = image.width, min_h = covered.height, min_w = covered.width;
  const bool height_is_tight = min_h * w >= min_w * h;
  const std::int64_t resized_h = height_is_tight ? min_h : std::max(min_h, h * min_w / w);
  const std::int64_t resized_w = height_is_tight ? std::max(min_w, w * min_h / h) : min_w;
  const auto side = [](std::int64_t pixels, std::int64_t resized, int target, double& begin, double& length) {
    const double scale = static_cast<double>(pixels) / static_cast<double>(resized);
    begin = std::nearbyint(static_cast<double>(resized - target) / 2) * scale;
    length = target * scale;
  };
  Frame frame{{}, height, width};
  side(h, resized_h, height, frame.box.top, frame.box.height);
  side(w, resized_w, width, frame.box.left, frame.box.width);
  return frame;
}

Image resize_and_crop(const Image& image, int height, int width) {
  const Frame frame = middle_frame({image.height, image.width}, {height, width}, height, width);
  return resize_box(image, frame.box, height, width);
}

}  // namespace bsg::data
