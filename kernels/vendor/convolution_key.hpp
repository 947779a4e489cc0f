// What a convolution's algorithm is chosen by.
#pragma once

#include <compare>

#include "kernels/conv2d/conv2d.hpp"

namespace bsg::kernels::vendor {

enum class Pass { forward, backward_input, backward_weight };
enum class Products { f32, tf32, bf16 };

struct ConvolutionKey {
  Pass pass;
  Products products;
  std::int64_t batch, channels, height, width, outputs, kernel_height, kernel_width, stride, padding, dilation;

  ConvolutionKey(Pass of, Products multiplied, const Conv2dShape& s)
      : pass(of),
        products(multiplied),
        batch(s.batch),
        channels(s.channels),
        height(s.height),
        width(s.width),
        outputs(s.outputs),
        kernel_height(s.kernel_height),
        kernel_width(s.kernel_width),
        stride(s.stride),
        padding(s.padding),
        dilation(s.dilation) {}
  friend auto operator<=>(const ConvolutionKey&, const ConvolutionKey&) = default;
};

}  // namespace bsg::kernels::vendor
