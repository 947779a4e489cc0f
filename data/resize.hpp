#pragma once

#include "data/dataset.hpp"

namespace bsg::data {

// The image at the smallest size of its aspect ratio that covers height x width, cropped in the middle. The shorter
// side (relative to the target) gets its length exactly, the other is rounded down, as in torchvision. Bilinear; where
// the image shrinks, the triangle is widened by the factor, so that every pixel counts (antialiasing). Only what the
// crop shows is computed: an image of 1 x 65,000 pixels costs no more than its own size.
Image resize_and_crop(const Image& image, int height, int width);

}  // namespace bsg::data
