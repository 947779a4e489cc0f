#include "data/image_transform.hpp"

#include <algorithm>
#include <cstdint>

#include "data/resize.hpp"
#include "engine/core/error.hpp"

namespace bsg::data {
namespace {

constexpr int kMaxSide = 1 << 14;

}  // namespace

ImageTransform::ImageTransform(const ImageTransformOptions& options)
    : options_(options), normalized_(make_normalization(options.mean, options.std)) {
  if (options.height < 1 || options.width < 1 || options.height > kMaxSide || options.width > kMaxSide) {
    throw_error<ConfigError>("data: image size {} x {}, expected 1 to {} pixels a side", options.height, options.width,
                             kMaxSide);
  }
  if (options.crop_padding < 0 || options.crop_padding > kMaxSide) {
    throw_error<ConfigError>("data: crop_padding is {}, expected 0 to {}", options.crop_padding, kMaxSide);
  }
}

float ImageTransform::load(const Dataset& dataset, std::int64_t index, Generator& random, float* image,
                           std::int64_t* labels) const {
  const Example example = dataset.get(index);
  apply(example.image, random, image);
  *labels = example.label;
  return example.difficulty;
}

void ImageTransform::apply(const Image& image, Generator& random, float* out) const {
  const int height = options_.height, width = options_.width, padding = options_.crop_padding;
  if (image.height != height || image.width != width) {
    return apply(resize_and_crop(image, height, width), random, out);
  }
  int shift_y = 0, shift_x = 0;  // of the crop against the image
  if (padding > 0) {
    const auto places = 2 * static_cast<std::uint64_t>(padding) + 1;
    shift_y = static_cast<int>(random.below(places)) - padding;
    shift_x = static_cast<int>(random.below(places)) - padding;
  }
  const bool mirror = options_.flip && random.below(2) == 1;

  const std::size_t plane = static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
  // Columns of the crop that lie on the image: [begin, end).
  const int begin = std::clamp(-shift_x, 0, width), end = std::clamp(width - shift_x, begin, width);
  for (int y = 0; y < height; ++y) {
    const int source_y = y + shift_y;
    const bool on_image = source_y >= 0 && source_y < height;
    for (std::size_t c = 0; c < 3; ++c) {
      const auto& table = normalized_[c];
      float* row = out + c * plane + static_cast<std::size_t>(y) * static_cast<std::size_t>(width);
      if (!on_image || begin > 0 || end < width) std::fill(row, row + width, table[0]);
      if (!on_image || begin == end) continue;
      const std::uint8_t* source = image.pixels.data() +
                                   (static_cast<std::ptrdiff_t>(source_y) * width + begin + shift_x) * 3 +
                                   static_cast<std::ptrdiff_t>(c);
      float* target = mirror ? row + (width - 1 - begin) : row + begin;
      const std::ptrdiff_t step = mirror ? -1 : 1;
      for (int x = begin; x < end; ++x) {
        *target = table[*source];
        target += step;
        source += 3;
      }
    }
  }
}

}  // namespace bsg::data
