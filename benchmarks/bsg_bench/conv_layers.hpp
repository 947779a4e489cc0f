// The convolutions that residual networks are made of.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bsg::bench {

struct ConvLayer {
  std::string networks;  // where it occurs, for --filter
  std::int64_t kernel = 3, inputs = 0, outputs = 0;
  std::int64_t size = 0;  // height and width of x
  std::int64_t stride = 1;
  std::int64_t y_frame = 1;  // of the plane that it writes: the padding of the convolution behind it

  std::int64_t padding() const { return kernel / 2; }
  std::int64_t out_size() const { return (size + 2 * padding() - kernel) / stride + 1; }
  double macs(double active_inputs, double active_outputs) const {
    return active_inputs * active_outputs * static_cast<double>(kernel * kernel * out_size() * out_size());
  }
  std::string name() const;  // "3x3 64>128 56x56 /2": /2 is the stride
};

// Every shape once: the blocks of ResNet-20 on 32x32 images, and of ResNet-18, 34 and 50 on 224x224 ones. Those that a
// network leaves without gates (stems, projections) are there too, but for the stems.
std::vector<ConvLayer> conv_layers();

}  // namespace bsg::bench
