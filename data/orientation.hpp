// How an image is stored, against how it is seen: a camera that was held upright stores rows and notes in the file's
// Exif part that they are columns (Exif 2.32, tag Orientation).
#pragma once

#include <cstddef>
#include <span>

#include "data/dataset.hpp"
#include "data/frame.hpp"

namespace bsg::data {

// Row y and column x of the image as it is seen are row x and column y of the stored one, where it is transposed; that
// row and that column are counted from the stored image's far end, where they are flipped.
struct Orientation {
  bool transposed = false, rows_flipped = false, columns_flipped = false;
  bool operator==(const Orientation&) const = default;
};

// Of an APP1 segment, the two bytes of length left out. Upright for anything but a well-formed Exif part with an
// orientation of 1 to 8: what a camera noted is no reason to refuse a photograph.
Orientation orientation_of_exif(std::span<const std::byte> segment);

ImageSize seen_size(ImageSize stored, Orientation orientation);
Image as_seen(Image stored, Orientation orientation);
// stored: the size of the stored image.
Frame frame_as_stored(const Frame& seen, ImageSize stored, Orientation orientation);
Box box_as_seen(const Box& box, ImageSize stored, Orientation orientation);

}  // namespace bsg::data
