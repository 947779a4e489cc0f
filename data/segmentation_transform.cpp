#include "data/segmentation_transform.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "data/resize.hpp"
#include "engine/core/error.hpp"

namespace bsg::data {
namespace {

constexpr int kMaxSide = 1 << 14;
constexpr double kMaxScale = 100;

// One axis: where the crop meets the resized image.
struct Axis {
  double step = 1;  // pixels of the image for one of the resized image
  int begin = 0;    // first pixel of the crop that shows the image
  int first = 0;    // the resized image's pixel that it shows
  int count = 0;    // pixels that show the image
};

Axis place(int pixels, double scale, int crop, Generator& random) {
  const auto resized = std::max<std::int64_t>(1, std::llround(pixels * scale));
  const std::int64_t room = resized - crop;
  const auto at = static_cast<int>(random.below(static_cast<std::uint64_t>(std::abs(room)) + 1));
  Axis axis;
  axis.step = static_cast<double>(pixels) / static_cast<double>(resized);
  (room >= 0 ? axis.first : axis.begin) = at;
  axis.count = static_cast<int>(std::min<std::int64_t>(crop, resized));
  return axis;
}

// The pixels of the annotation in which the centres of the crop's pixels lie.
std::vector<std::size_t> nearest(const Axis& axis, int pixels) {
  std::vector<std::size_t> places;
  for (int i = 0; i < axis.count; ++i) {
    const int at = static_cast<int>((axis.first + i + 0.5) * axis.step);
    places.push_back(static_cast<std::size_t>(std::min(at, pixels - 1)));
  }
  return places;
}

// What the crop shows of an image that is not resized.
Image cut_out(const Image& image, const Axis& rows, const Axis& columns) {
  Image part{rows.count, columns.count, {}};
  const std::ptrdiff_t width = std::ptrdiff_t{3} * columns.count;
  part.pixels.resize(static_cast<std::size_t>(rows.count) * static_cast<std::size_t>(width));
  for (std::ptrdiff_t y = 0; y < rows.count; ++y) {
    const auto row = ((rows.first + y) * image.width + columns.first) * std::ptrdiff_t{3};
    std::copy_n(image.pixels.begin() + row, width, part.pixels.begin() + y * width);
  }
  return part;
}

}  // namespace

SegmentationTransform::SegmentationTransform(const SegmentationTransformOptions& options)
    : options_(options),
      jitters_(jitters_anything(options.color_jitter) && options.training),
      normalization_(make_normalization(options.mean, options.std)) {
  if (options.height < 1 || options.width < 1 || options.height > kMaxSide || options.width > kMaxSide) {
    throw_error<ConfigError>("data: image size {} x {}, expected 1 to {} pixels a side", options.height, options.width,
                             kMaxSide);
  }
  if (!(options.scale_min > 0 && options.scale_min <= options.scale_max && options.scale_max <= kMaxScale)) {
    throw_error<ConfigError>("data: scale_min is {} and scale_max {}, expected 0 < scale_min <= scale_max <= {}",
                             options.scale_min, options.scale_max, kMaxScale);
  }
}

std::uint64_t SegmentationTransform::draws() const {
  constexpr std::uint64_t kCropAndFlipDraws = 8;
  return kCropAndFlipDraws + (jitters_ ? kColorJitterDraws : 0);
}

float SegmentationTransform::load(const Dataset& dataset, std::int64_t index, Generator& random, float* image,
                                  std::int64_t* labels) const {
  const Example example = dataset.get(index);
  const LabelMap& annotation = example.annotation;
  if (annotation.labels.empty()) throw_error<DataError>("{}: has no annotation", dataset.source(index));
  const int image_height = example.image.height, image_width = example.image.width;
  if (annotation.height != image_height || annotation.width != image_width) {
    throw_error<DataError>("{}: has {} x {} pixels, its annotation {} x {}", dataset.source(index), image_width,
                           image_height, annotation.width, annotation.height);
  }
  const int height = options_.height, width = options_.width;
  Axis rows{.count = height}, columns{.count = width};
  bool mirror = false;
  if (options_.training) {
    const double scale = options_.scale_min + (options_.scale_max - options_.scale_min) * random.uniform();
    rows = place(image_height, scale, height, random);
    columns = place(image_width, scale, width, random);
    mirror = options_.flip && random.below(2) == 1;
  } else if (image_height != height || image_width != width) {
    throw_error<DataError>("{}: has {} x {} pixels, the network takes {} x {}", dataset.source(index), image_width,
                           image_height, width, height);
  }

  // Only what the crop shows is resized and jittered.
  Image part;
  const bool is_resized = rows.step != 1 || columns.step != 1;
  if (is_resized) {
    const Box box{.top = rows.first * rows.step,
                  .left = columns.first * columns.step,
                  .height = rows.count * rows.step,
                  .width = columns.count * columns.step};
    part = resize_box(example.image, box, rows.count, columns.count);
  } else if (jitters_) {
    part = cut_out(example.image, rows, columns);
  }
  if (jitters_) jitter_colors(part, options_.color_jitter, random);
  const bool is_part = is_resized || jitters_;
  const Image& shown = is_part ? part : example.image;
  const int top = is_part ? 0 : rows.first, left = is_part ? 0 : columns.first;

  const std::size_t row_pixels = static_cast<std::size_t>(width), plane = static_cast<std::size_t>(height) * row_pixels;
  if (rows.count < height || columns.count < width) {
    std::fill_n(image, 3 * plane, 0.0f);
    std::fill_n(labels, plane, kNoLabel);
  }
  const auto label_rows = nearest(rows, image_height), label_columns = nearest(columns, image_width);
  const std::ptrdiff_t step = mirror ? -1 : 1;
  const std::ptrdiff_t begin = mirror ? width - 1 - columns.begin : columns.begin;
  for (int y = 0; y < rows.count; ++y) {
    const std::size_t row = static_cast<std::size_t>(rows.begin + y) * row_pixels;
    const std::uint8_t* pixels =
        shown.pixels.data() + (static_cast<std::ptrdiff_t>(top + y) * shown.width + left) * std::ptrdiff_t{3};
    for (std::size_t c = 0; c < 3; ++c) {
      const auto& table = normalization_[c];
      float* target = image + c * plane + row;
      for (std::ptrdiff_t x = 0; x < columns.count; ++x) {
        target[begin + x * step] = table[pixels[x * 3 + static_cast<std::ptrdiff_t>(c)]];
      }
    }
    const std::uint8_t* numbers =
        annotation.labels.data() + label_rows[static_cast<std::size_t>(y)] * static_cast<std::size_t>(image_width);
    std::int64_t* target = labels + row;
    for (std::ptrdiff_t x = 0; x < columns.count; ++x) {
      const std::uint8_t label = numbers[label_columns[static_cast<std::size_t>(x)]];
      target[begin + x * step] = label == LabelMap::kIgnored ? kNoLabel : label;
    }
  }
  return example.difficulty;
}

}  // namespace bsg::data
