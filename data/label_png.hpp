// Annotations of segmentation sets: PNG files whose numbers are classes, not colours.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "data/dataset.hpp"

namespace bsg::data {

// The numbers as they are stored: grey values or indices into the palette, of 1 to 8 bits, never scaled and never
// looked up. Throws DataError, "NAME: what is wrong", for files with colours, alpha or 16 bits, and for all that
// decode_png rejects.
LabelMap decode_label_png(std::span<const std::byte> bytes, const std::string& name_for_errors);

// Of a file; throws also what read_file throws.
LabelMap read_label_png(const std::string& path);

}  // namespace bsg::data
