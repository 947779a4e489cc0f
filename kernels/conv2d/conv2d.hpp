// 2-D convolution, dense and gated per sample. x [N, C, H, W], weight [K, C, R, S], y [N, K, OH, OW], contiguous.
//   y[n,k,i,j] = bias[k] + sum over c,r,s of weight[k,c,r,s] * x[n, c, i*stride + r*dilation - padding, j*stride +
//   s*dilation - padding]
// Gates hold 0 or 1 for each (sample, channel); null means all on. A channel that is off is skipped: not read when it
// is an input, not computed (and written as zero) when it is an output. Dense is the case with all channels on, by the
// same code.
#pragma once

#include <cstdint>

#include "kernels/common/launch.hpp"

namespace bsg::kernels {

struct Conv2dShape {
  std::int64_t batch = 0;
  std::int64_t channels = 0, height = 0, width = 0;  // of x
  std::int64_t outputs = 0;                          // K
  std::int64_t kernel_height = 0, kernel_width = 0;  // R, S
  std::int64_t stride = 1, padding = 0, dilation = 1;

  std::int64_t out_height() const { return (height + 2 * padding - dilation * (kernel_height - 1) - 1) / stride + 1; }
  std::int64_t out_width() const { return (width + 2 * padding - dilation * (kernel_width - 1) - 1) / stride + 1; }
  std::int64_t taps() const { return kernel_height * kernel_width; }
  std::int64_t weights() const { return outputs * channels * taps(); }
};

namespace cpu {

// Elements of T that any of the functions below needs as workspace for this shape and thread count. Contents need no
// preparation.
std::int64_t conv2d_workspace(const Conv2dShape& shape, int threads);

// bias, input_gate [N, C] and output_gate [N, K] may be null.
template <class T>
void conv2d_forward(const Launch& launch, const Conv2dShape& shape, const T* x, const T* weight, const T* bias,
                    const T* input_gate, const T* output_gate, T* y, T* workspace);

// dx = gradient of x for dy; added to dx when accumulate is set. output_gate: rows of dy that are off count as zero and
// are not read.
template <class T>
void conv2d_backward_input(const Launch& launch, const Conv2dShape& shape, const T* weight, const T* dy,
                           const T* output_gate, T* dx, bool accumulate, T* workspace);

// Gradient of the weight, summed over samples in an order that the shape alone decides. Off (sample, channel) pairs are
// skipped on the input side and count as zero on the output side.
template <class T>
void conv2d_backward_weight(const Launch& launch, const Conv2dShape& shape, const T* x, const T* dy,
                            const T* input_gate, const T* output_gate, T* dweight, bool accumulate, T* workspace);

// dbias[k] = sum of dy[:, k], added in double.
template <class T>
void conv2d_backward_bias(const Launch& launch, const Conv2dShape& shape, const T* dy, T* dbias, bool accumulate);

}  // namespace cpu
}  // namespace bsg::kernels
