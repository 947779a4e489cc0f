#include "data/pictures.hpp"

#include <algorithm>
#include <cmath>

#include "data/resize.hpp"

namespace bsg::data {
namespace {

constexpr int kGap = 4;  // pixels

Image white(int height, int width) {
  return {height, width, std::vector<std::uint8_t>(static_cast<std::size_t>(height) * width * 3, 255)};
}

void paste(const Image& image, int top, int left, Image& onto) {
  for (int y = 0; y < image.height; ++y)
    std::copy_n(image.pixels.begin() + static_cast<std::ptrdiff_t>(y) * image.width * 3, image.width * 3,
                onto.pixels.begin() + (static_cast<std::ptrdiff_t>(top + y) * onto.width + left) * 3);
}

}  // namespace

Image colored(std::span<const std::int32_t> classes, int height, int width, const std::vector<Color>& colors) {
  Image image{height, width, std::vector<std::uint8_t>(classes.size() * 3)};
  for (std::size_t i = 0; i < classes.size(); ++i)
    if (classes[i] >= 0 && static_cast<std::size_t>(classes[i]) < colors.size())
      std::ranges::copy(colors[static_cast<std::size_t>(classes[i])],
                        image.pixels.begin() + static_cast<std::ptrdiff_t>(3 * i));
  return image;
}

Image colored(const LabelMap& annotation, const std::vector<Color>& colors) {
  std::vector<std::int32_t> classes;
  classes.reserve(annotation.labels.size());
  for (const std::uint8_t label : annotation.labels) classes.push_back(label == LabelMap::kIgnored ? -1 : label);
  return colored(classes, annotation.height, annotation.width, colors);
}

Image side_by_side(std::span<const Image> images) {
  int height = 0, width = -kGap;
  for (const Image& image : images) {
    height = std::max(height, image.height);
    width += image.width + kGap;
  }
  Image all = white(height, std::max(width, 0));
  int left = 0;
  for (const Image& image : images) {
    paste(image, 0, left, all);
    left += image.width + kGap;
  }
  return all;
}

Image contact_sheet(const std::vector<std::vector<Image>>& rows, int side) {
  std::size_t columns = 0;
  for (const auto& row : rows) columns = std::max(columns, row.size());
  const auto length = [&](std::size_t count) { return static_cast<int>(count) * (side + kGap) + kGap; };
  Image sheet = white(length(rows.size()), length(columns));
  for (std::size_t r = 0; r < rows.size(); ++r)
    for (std::size_t c = 0; c < rows[r].size(); ++c) {
      const Image& image = rows[r][c];
      const double scale = static_cast<double>(side) / std::max(image.height, image.width);
      const auto scaled = [&](int extent) {
        return std::clamp(static_cast<int>(std::lround(scale * extent)), 1, side);
      };
      const int height = scaled(image.height), width = scaled(image.width);
      paste(
          resize_box(image, {0, 0, static_cast<double>(image.height), static_cast<double>(image.width)}, height, width),
          length(r) + (side - height) / 2, length(c) + (side - width) / 2, sheet);
    }
  return sheet;
}

}  // namespace bsg::data
