#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "data/dataset.hpp"

namespace bsg::data {

// A PNG file of 8-bit RGB, the same pixels. Throws OutOfMemory when libpng finds no memory.
std::vector<std::byte> encode_png(const Image& image);

}  // namespace bsg::data
