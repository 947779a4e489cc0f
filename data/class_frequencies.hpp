// How often the classes of a segmentation set occur, and weights for a loss that make up for it.
#pragma once

#include <cstdint>
#include <vector>

#include "data/dataset.hpp"

namespace bsg::data {

struct ClassPixels {
  std::int64_t images = 0, pixels = 0;  // in all
  std::int64_t ignored = 0;             // pixels of no class
  // By class: its pixels; all pixels of the images that show it; these images.
  std::vector<std::int64_t> of_class, of_images_with, images_with;
};

// Reads every example. Throws DataError for an example without annotation, and what get throws.
ClassPixels count_class_pixels(const Dataset& dataset);

// Median-frequency balancing (Eigen and Fergus, ICCV 2015): a class's frequency is the share of its pixels in the
// images that show it; its weight is the median of all frequencies over its own. A class that does not occur has weight
// 0 and no part in the median.
std::vector<float> median_frequency_weights(const ClassPixels& pixels);

}  // namespace bsg::data
