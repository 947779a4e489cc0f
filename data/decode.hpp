// JPEG and PNG files to 8-bit RGB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "data/dataset.hpp"

namespace bsg::data {

// Images of more pixels are refused by their header, before memory is allocated for them (8192 x 8192: 192 MiB).
inline constexpr std::int64_t kMaxPixels = std::int64_t{1} << 26;
// Larger files are not read.
inline constexpr std::uint64_t kMaxImageFileBytes = std::uint64_t{1} << 28;

// All of them throw DataError, "NAME: what is wrong", for bytes that are no such image, are damaged or end early, and
// for images of more than kMaxPixels pixels. Colour profiles, gamma and the orientation that a camera noted are
// ignored, as the usual training pipelines do.

// Baseline and progressive, 8 bits. Grey gives three equal channels; CMYK and YCCK are converted by r = c k / 255 where
// Adobe's marker says that the inks are stored inverted, by r = (255 - c)(255 - k) / 255 otherwise.
Image decode_jpeg(std::span<const std::byte> bytes, const std::string& name_for_errors);

// Grey, palette, RGB, with or without alpha, 1 to 16 bits, interlaced or not. 16 bits are rounded to 8. Alpha is
// dropped: a transparent pixel has the colour that is stored for it.
Image decode_png(std::span<const std::byte> bytes, const std::string& name_for_errors);

// Either, by the first bytes: an image's suffix is often wrong.
Image decode_image(std::span<const std::byte> bytes, const std::string& name_for_errors);

// Of a file; throws also what read_file throws.
Image read_image(const std::string& path);

}  // namespace bsg::data
