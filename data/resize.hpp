#pragma once

#include "data/dataset.hpp"
#include "data/frame.hpp"

namespace bsg::data {

// The box of an image at height x width. Bilinear; where the image shrinks, the triangle is widened by the factor, so
// that every pixel counts (antialiasing). Pixels around the box count as far as the image has them, as in Pillow's
// resize with a box. Only what the result shows is computed: an image of 1 x 65,000 pixels costs no more than its own
// size. The box lies in the image and has a positive size, and so has the result.
Image resize_box(const Image& image, const Box& box, int height, int width);

// The pixels [first, end) of `pixels` in a row that a box's side [begin, begin + length), resized to `count` pixels,
// depends on.
struct PixelRange {
  int first = 0, end = 0;
};
PixelRange pixels_for(double begin, double length, int count, int pixels);

// What is shown of an image that is resized to the smallest size of its aspect ratio that covers `covered`, and then
// cropped in the middle to height x width, which is no larger. The shorter side (relative to what is covered) gets its
// length exactly, the other is rounded down; half pixels in the middle are rounded to even: torchvision's Resize and
// CenterCrop.
Frame middle_frame(ImageSize image, ImageSize covered, int height, int width);

// resize_box of middle_frame.
Image resize_and_crop(const Image& image, int height, int width);

}  // namespace bsg::data
