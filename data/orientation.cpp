#include "data/orientation.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

namespace bsg::data {
namespace {

// The TIFF structure inside: numbers in the byte order that it declares, at offsets from its begin.
class Tiff {
 public:
  explicit Tiff(std::span<const std::byte> bytes) : bytes_(bytes) {}

  bool read_header() {
    if (bytes_.size() < 8) return false;
    little_endian_ = bytes_[0] == std::byte{'I'};
    return bytes_[0] == bytes_[1] && (little_endian_ || bytes_[0] == std::byte{'M'}) && number(2, 2) == 42;
  }
  std::optional<std::size_t> number(std::size_t at, std::size_t size) const {
    if (at > bytes_.size() || size > bytes_.size() - at) return std::nullopt;
    std::size_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
      value = value << 8 | std::to_integer<std::size_t>(bytes_[at + (little_endian_ ? size - 1 - i : i)]);
    }
    return value;
  }

 private:
  std::span<const std::byte> bytes_;
  bool little_endian_ = false;
};

// By Exif's value; 0 is none.
constexpr std::array<Orientation, 9> kOrientations = {{
    {},
    {},
    {.columns_flipped = true},
    {.rows_flipped = true, .columns_flipped = true},
    {.rows_flipped = true},
    {.transposed = true},
    {.transposed = true, .rows_flipped = true},
    {.transposed = true, .rows_flipped = true, .columns_flipped = true},
    {.transposed = true, .columns_flipped = true},
}};

}  // namespace

Orientation orientation_of_exif(std::span<const std::byte> segment) {
  constexpr std::string_view kName("Exif\0\0", 6);
  constexpr std::size_t kOrientation = 0x0112, kShort = 3, kEntryBytes = 12;
  if (segment.size() < kName.size()) return {};
  if (!std::equal(kName.begin(), kName.end(), reinterpret_cast<const char*>(segment.data()))) return {};
  Tiff tiff(segment.subspan(kName.size()));
  if (!tiff.read_header()) return {};
  const std::size_t directory = tiff.number(4, 4).value_or(0);
  const std::size_t entries = tiff.number(directory, 2).value_or(0);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + i * kEntryBytes;
    const auto tag = tiff.number(entry, 2);
    if (!tag) return {};
    if (*tag != kOrientation) continue;
    const auto value = tiff.number(entry + 8, 2);
    if (tiff.number(entry + 2, 2) != kShort || tiff.number(entry + 4, 4) != 1 || !value) return {};
    return *value < kOrientations.size() ? kOrientations[*value] : Orientation{};
  }
  return {};
}

ImageSize seen_size(ImageSize stored, Orientation orientation) {
  return orientation.transposed ? ImageSize{stored.width, stored.height} : stored;
}

Image as_seen(Image stored, Orientation orientation) {
  if (orientation == Orientation{}) return stored;
  const ImageSize size = seen_size({stored.height, stored.width}, orientation);
  Image seen{size.height, size.width, std::vector<std::uint8_t>(stored.pixels.size())};
  const std::ptrdiff_t row = std::ptrdiff_t{stored.width} * 3;
  // From pixel to pixel along the stored rows and columns, and along those that are seen.
  std::ptrdiff_t down = orientation.rows_flipped ? -row : row, across = orientation.columns_flipped ? -3 : 3;
  const std::uint8_t* source = stored.pixels.data() + (orientation.rows_flipped ? (stored.height - 1) * row : 0) +
                               (orientation.columns_flipped ? row - 3 : 0);
  if (orientation.transposed) std::swap(down, across);
  std::uint8_t* target = seen.pixels.data();
  for (int y = 0; y < seen.height; ++y) {
    for (int x = 0; x < seen.width; ++x) {
      target = std::copy_n(source + y * down + x * across, 3, target);
    }
  }
  return seen;
}

Frame frame_as_stored(const Frame& seen, ImageSize stored, Orientation orientation) {
  Frame frame = seen;
  if (orientation.transposed) {
    frame = {{seen.box.left, seen.box.top, seen.box.width, seen.box.height}, seen.width, seen.height};
  }
  if (orientation.rows_flipped) frame.box.top = stored.height - (frame.box.top + frame.box.height);
  if (orientation.columns_flipped) frame.box.left = stored.width - (frame.box.left + frame.box.width);
  return frame;
}

Box box_as_seen(const Box& box, ImageSize stored, Orientation orientation) {
  Box seen = box;
  if (orientation.rows_flipped) seen.top = stored.height - (box.top + box.height);
  if (orientation.columns_flipped) seen.left = stored.width - (box.left + box.width);
  if (orientation.transposed) seen = {seen.left, seen.top, seen.width, seen.height};
  return seen;
}

}  // namespace bsg::data
