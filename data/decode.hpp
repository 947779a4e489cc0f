// JPEG and PNG files to 8-bit RGB, whole or a part at a reduced scale.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "data/dataset.hpp"
#include "data/frame.hpp"

namespace bsg::data {

// Images of more pixels are refused by their header, before memory is allocated for them (8192 x 8192: 192 MiB).
inline constexpr std::int64_t kMaxPixels = std::int64_t{1} << 26;
// Larger files are not read.
inline constexpr std::uint64_t kMaxImageFileBytes = std::uint64_t{1} << 28;

// All of them throw DataError, "NAME: what is wrong", for bytes that are no such image, are damaged or end early, and
// for images of more than kMaxPixels pixels. Colour profiles and gamma are ignored, as the usual training pipelines do.

// Baseline and progressive, 8 bits. Grey gives three equal channels; CMYK and YCCK are converted by r = c k / 255 where
// Adobe's marker says that the inks are stored inverted, by r = (255 - c)(255 - k) / 255 otherwise. The image is turned
// and mirrored as the camera's Exif orientation says.
Image decode_jpeg(std::span<const std::byte> bytes, const std::string& name_for_errors);

// Grey, palette, RGB, with or without alpha, 1 to 16 bits, interlaced or not. 16 bits are rounded to 8. Alpha is
// dropped: a transparent pixel has the colour that is stored for it.
Image decode_png(std::span<const std::byte> bytes, const std::string& name_for_errors);

// Either, by the first bytes: an image's suffix is often wrong.
Image decode_image(std::span<const std::byte> bytes, const std::string& name_for_errors);

// Of a file; throws also what read_file throws.
Image read_image(const std::string& path);

// choose(size), checked: throws ShapeError for a frame without pixels and for a box that does not lie in the image.
Frame chosen_frame(const FrameChoice& choose, ImageSize size, const std::string& name_for_errors);

// The same for a frame of the image: its box, every pixel that resize_box reads for it (data/resize.hpp), and perhaps
// more. The usual kinds of JPEG (grey, 4:4:4, 4:2:2, 4:2:0) are decoded without the rows and columns around it, and at
// 1/2, 1/4 or 1/8 of their scale where the box is then still as large as what it is resized to. Rows below are not even
// looked at, but a file that ends before its end marker is an error all the same. PNG is decoded whole. Throws also
// what chosen_frame throws.
Excerpt decode_jpeg(std::span<const std::byte> bytes, const std::string& name_for_errors, const FrameChoice& choose);
Excerpt decode_image(std::span<const std::byte> bytes, const std::string& name_for_errors, const FrameChoice& choose);
Excerpt read_image(const std::string& path, const FrameChoice& choose);

}  // namespace bsg::data
