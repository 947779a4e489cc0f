// Pictures that show a network's results to people.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/class_colors.hpp"
#include "data/dataset.hpp"

namespace bsg::data {

// Each pixel in the colour of its class, black where `classes` holds no class; classes [height][width].
Image colored(std::span<const std::int32_t> classes, int height, int width, const std::vector<Color>& colors);
// The same of an annotation.
Image colored(const LabelMap& annotation, const std::vector<Color>& colors);

// From left to right, with white lines between; as high as the highest, white below the others.
Image side_by_side(std::span<const Image> images);

// Rows of images, each in a square of `side` white pixels whose middle it fills as its aspect ratio allows, with white
// lines between.
Image contact_sheet(const std::vector<std::vector<Image>>& rows, int side);

}  // namespace bsg::data
