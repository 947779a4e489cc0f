// 2-D convolution and its gradients on a device, for training. T: float or simt::bfloat16, the type of activations, of
// their gradients and of the weight that multiplies them. Products of bfloat16 run on the matrix units where the shape
// suits them, and products of floats where launch.tf32 allows; all else by fused multiply-adds. Sums are float, and so
// are bias, gates and the parameters' gradients, which belong to float master weights. Sums run in an order that the
// shape alone decides, so results are the same bits every time.
//
// What the functions of cpu:: compute, with their gates ([N, C] and [N, K] of 0 and 1; null: all on): a channel that is
// off is not read, but takes its time (gated_conv_device.hpp has the convolutions that skip). Channels last:
// x [N, H, W, C], weight [K, R, S, C], y [N, OH, OW, K]. An empty batch clears (or keeps, with accumulate) the
// gradients of weight and bias, and does nothing else.
#pragma once

#include <cstdint>

#include "kernels/common/launch.hpp"
#include "kernels/conv2d/conv2d.hpp"

namespace bsg::kernels::device {

// bias [K] may be null.
template <class T>
void conv2d_forward(const Launch& launch, const Conv2dShape& shape, const T* x, const T* weight, const float* bias,
                    const float* input_gate, const float* output_gate, T* y);

// dx = gradient of x for dy; added to dx when accumulate is set.
template <class T>
void conv2d_backward_input(const Launch& launch, const Conv2dShape& shape, const T* weight, const T* dy,
                           const float* output_gate, T* dx, bool accumulate);

// Floats of the workspace of conv2d_backward_weight: one partial gradient for each part that the positions are cut
// into.
std::int64_t conv2d_weight_gradient_workspace(const Conv2dShape& shape);

template <class T>
void conv2d_backward_weight(const Launch& launch, const Conv2dShape& shape, const T* x, const T* dy,
                            const float* input_gate, const float* output_gate, float* dweight, bool accumulate,
                            float* workspace);

// dbias[k] = sum of dy[..., k].
template <class T>
void conv2d_backward_bias(const Launch& launch, const Conv2dShape& shape, const T* dy, float* dbias, bool accumulate);

}  // namespace bsg::kernels::device
