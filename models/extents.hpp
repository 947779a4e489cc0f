#pragma once

namespace bsg::models {

// Of the result of a convolution or pooling, in pixels.
constexpr int extent_after(int extent, int kernel, int stride, int padding) {
  return (extent + 2 * padding - kernel) / stride + 1;
}

}  // namespace bsg::models
