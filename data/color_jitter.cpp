#include "data/color_jitter.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "engine/core/error.hpp"

namespace bsg::data {
namespace {

std::uint8_t rounded(float value) { return static_cast<std::uint8_t>(std::clamp(value + 0.5f, 0.0f, 255.0f)); }

float grey_of(const std::uint8_t* pixel) {
  return 0.299f * static_cast<float>(pixel[0]) + 0.587f * static_cast<float>(pixel[1]) +
         0.114f * static_cast<float>(pixel[2]);
}

float mean_grey(const Image& image) {
  // Sums of integers: their order does not matter.
  std::array<std::uint64_t, 3> sums{};
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) {
    for (std::size_t c = 0; c < 3; ++c) sums[c] += image.pixels[i + c];
  }
  const double sum = 0.299 * static_cast<double>(sums[0]) + 0.587 * static_cast<double>(sums[1]) +
                     0.114 * static_cast<double>(sums[2]);
  return static_cast<float>(sum / (static_cast<double>(image.pixels.size()) / 3));
}

// Every value v becomes grey + factor * (v - grey).
void spread_around(Image& image, float grey, float factor) {
  std::array<std::uint8_t, 256> table{};
  for (std::size_t v = 0; v < table.size(); ++v) table[v] = rounded(grey + factor * (static_cast<float>(v) - grey));
  for (std::uint8_t& value : image.pixels) value = table[value];
}

void spread_colors(Image& image, float factor) {
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) {
    std::uint8_t* pixel = image.pixels.data() + i;
    const float grey = grey_of(pixel);
    for (int c = 0; c < 3; ++c) pixel[c] = rounded(grey + factor * (static_cast<float>(pixel[c]) - grey));
  }
}

void require_strength(const char* name, double value) {
  if (!(value >= 0 && value <= 1))
    throw_error<ConfigError>("data: color_jitter.{} is {}, expected 0 to 1", name, value);
}

}  // namespace

bool jitters_anything(const ColorJitter& jitter) {
  require_strength("brightness", jitter.brightness);
  require_strength("contrast", jitter.contrast);
  require_strength("saturation", jitter.saturation);
  return jitter.brightness != 0 || jitter.contrast != 0 || jitter.saturation != 0;
}

void jitter_colors(Image& image, const ColorJitter& jitter, Generator& random) {
  const std::array<double, 3> strengths = {jitter.brightness, jitter.contrast, jitter.saturation};
  if (strengths == std::array<double, 3>{}) return;
  std::array<std::size_t, 3> order = {0, 1, 2};
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  for (const std::size_t which : order) {
    if (strengths[which] == 0) continue;
    const auto factor = static_cast<float>(1 + strengths[which] * (2 * random.uniform() - 1));
    if (which == 0) spread_around(image, 0, factor);
    if (which == 1) spread_around(image, mean_grey(image), factor);
    if (which == 2) spread_colors(image, factor);
  }
}

}  // namespace bsg::data
