// Which part of an image is wanted, and at which size: what a decoder needs to know to leave out the rest.
#pragma once

#include <functional>

namespace bsg::data {

struct ImageSize {
  int height = 0, width = 0;
};

// In pixels, of which pixel (y, x) covers [y, y + 1) x [x, x + 1); fractions are meant.
struct Box {
  double top = 0, left = 0, height = 0, width = 0;
};

// A box of an image that is going to be resized to height x width.
struct Frame {
  Box box;
  int height = 0, width = 0;
};

// The frame of an image of this size, as it is seen (data/orientation.hpp). The box lies in the image.
using FrameChoice = std::function<Frame(ImageSize)>;

}  // namespace bsg::data
