#include "data/image_transform.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "data/resize.hpp"
#include "engine/core/error.hpp"

namespace bsg::data {
namespace {

constexpr int kMaxSide = 1 << 14;

constexpr int kTries = 10;  // of boxes that may not fit into the image
constexpr double kNarrowest = 3.0 / 4, kWidest = 4.0 / 3;
constexpr std::uint64_t kCropDraws = 2 * kTries + 4, kPaddingAndFlipDraws = 8;

// torchvision's RandomResizedCrop.
Box random_box(ImageSize whole, double scale_min, Generator& random) {
  const auto box_of = [](std::int64_t top, std::int64_t left, std::int64_t height, std::int64_t width) {
    return Box{static_cast<double>(top), static_cast<double>(left), static_cast<double>(height),
               static_cast<double>(width)};
  };
  const double area = static_cast<double>(whole.height) * whole.width;
  for (int i = 0; i < kTries; ++i) {
    const double share = scale_min + (1 - scale_min) * random.uniform();
    const double aspect = kNarrowest * std::pow(kWidest / kNarrowest, random.uniform());
    const std::int64_t width = std::lround(std::sqrt(area * share * aspect));
    const std::int64_t height = std::lround(std::sqrt(area * share / aspect));
    if (width < 1 || height < 1 || width > whole.width || height > whole.height) continue;
    const std::uint64_t top = random.below(static_cast<std::uint64_t>(whole.height - height) + 1);
    const std::uint64_t left = random.below(static_cast<std::uint64_t>(whole.width - width) + 1);
    return box_of(static_cast<std::int64_t>(top), static_cast<std::int64_t>(left), height, width);
  }
  std::int64_t height = whole.height, width = whole.width;
  const double aspect = static_cast<double>(width) / static_cast<double>(height);
  if (aspect < kNarrowest) height = std::lround(static_cast<double>(width) / kNarrowest);
  if (aspect > kWidest) width = std::lround(static_cast<double>(height) * kWidest);
  return box_of((whole.height - height) / 2, (whole.width - width) / 2, height, width);
}

}  // namespace

ImageTransform::ImageTransform(const ImageTransformOptions& options)
    : options_(options),
      jitters_(jitters_anything(options.color_jitter)),
      normalized_(make_normalization(options.mean, options.std)) {
  const int height = options.height, width = options.width;
  if (height < 1 || width < 1 || height > kMaxSide || width > kMaxSide) {
    throw_error<ConfigError>("data: image size {} x {}, expected 1 to {} pixels a side", height, width, kMaxSide);
  }
  if (options.resize != 0 && (options.resize < std::max(height, width) || options.resize > kMaxSide)) {
    throw_error<ConfigError>("data: resize is {}, expected 0 or {} (the crop's larger side) to {}", options.resize,
                             std::max(height, width), kMaxSide);
  }
  if (options.crop_padding < 0 || options.crop_padding > kMaxSide) {
    throw_error<ConfigError>("data: crop_padding is {}, expected 0 to {}", options.crop_padding, kMaxSide);
  }
  if (options.crop_padding > 0 && options.random_resized_crop) {
    throw_error<ConfigError>("data: crop_padding is {}, expected 0 with random_resized_crop", options.crop_padding);
  }
  if (!(options.crop_scale_min > 0 && options.crop_scale_min <= 1)) {
    throw_error<ConfigError>("data: crop_scale_min is {}, expected more than 0, at most 1", options.crop_scale_min);
  }
}

std::uint64_t ImageTransform::draws() const {
  return kPaddingAndFlipDraws + (options_.random_resized_crop ? kCropDraws : 0) + (jitters_ ? kColorJitterDraws : 0);
}

float ImageTransform::load(const Dataset& dataset, std::int64_t index, Generator& random, float* image,
                           std::int64_t* labels) const {
  FramedExample framed = dataset.get_framed(index, [&](ImageSize whole) { return choose_frame(whole, random); });
  finish(std::move(framed.example.image), framed.box, random, image);
  *labels = framed.example.label;
  return framed.example.difficulty;
}

void ImageTransform::apply(const Image& image, Generator& random, float* out) const {
  const Frame frame = choose_frame({image.height, image.width}, random);
  finish(Image(image), frame.box, random, out);
}

Frame ImageTransform::choose_frame(ImageSize whole, Generator& random) const {
  const int height = options_.height, width = options_.width, resize = options_.resize;
  if (options_.random_resized_crop) return {random_box(whole, options_.crop_scale_min, random), height, width};
  return middle_frame(whole, resize == 0 ? ImageSize{height, width} : ImageSize{resize, resize}, height, width);
}

void ImageTransform::finish(Image&& image, const Box& box, Generator& random, float* out) const {
  const int height = options_.height, width = options_.width, padding = options_.crop_padding;
  const bool as_it_is = image.height == height && image.width == width && box.top == 0 && box.left == 0 &&
                        box.height == height && box.width == width;
  if (!as_it_is) image = resize_box(image, box, height, width);
  int shift_y = 0, shift_x = 0;  // of the crop against the image
  if (padding > 0) {
    const auto places = 2 * static_cast<std::uint64_t>(padding) + 1;
    shift_y = static_cast<int>(random.below(places)) - padding;
    shift_x = static_cast<int>(random.below(places)) - padding;
  }
  const bool mirror = options_.flip && random.below(2) == 1;
  jitter_colors(image, options_.color_jitter, random);
  write(image, shift_y, shift_x, mirror, out);
}

void ImageTransform::write(const Image& image, int shift_y, int shift_x, bool mirror, float* out) const {
  const int height = options_.height, width = options_.width;
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
