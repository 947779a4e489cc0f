// Element-wise kernels on the device, and those that treat every channel of every sample by one number. T: float or
// simt::bfloat16, computed in float either way; gates, pooled values and their gradients are float.
//
// Activations are channels last: x[sample, pixel, channel]. No kernel reads an element twice or depends on another one,
// so input and output may be the same array, unless said otherwise. accumulate: added to what is there.
#pragma once

#include <cstdint>

#include "kernels/common/launch.hpp"

namespace bsg::kernels::device {

// y = max(x, 0); NaN stays NaN, -0 becomes 0.
template <class T>
void relu(const Launch& launch, std::int64_t count, const T* x, T* y);

// dx = dy where y > 0 or y is NaN, else 0.
template <class T>
void relu_backward(const Launch& launch, std::int64_t count, const T* y, const T* dy, T* dx, bool accumulate);

// y = a + b
template <class T>
void add(const Launch& launch, std::int64_t count, const T* a, const T* b, T* y);

// y = a * b
template <class T>
void multiply(const Launch& launch, std::int64_t count, const T* a, const T* b, T* y, bool accumulate);

// y = factor * scale[0] * x, where scale is on the device (null: 1): how a loss hands its gradient on.
template <class T>
void scale(const Launch& launch, std::int64_t count, const T* x, double factor, const float* scale, T* y,
           bool accumulate);

template <class T>
void fill(const Launch& launch, std::int64_t count, double value, T* y);

// y = 1 / (1 + exp(-x))
template <class T>
void sigmoid(const Launch& launch, std::int64_t count, const T* x, T* y);

// dx = dy * s (1 - s), s = sigmoid(x).
template <class T>
void sigmoid_backward(const Launch& launch, std::int64_t count, const T* x, const T* dy, T* dx, bool accumulate);

struct ChannelsLastShape {
  std::int64_t samples = 0;
  std::int64_t plane = 0;  // pixels of a sample
  std::int64_t channels = 0;
};

// y[n, p, c] = x[n, p, c] * factor[n, c]
template <class T>
void scale_channels(const Launch& launch, const ChannelsLastShape& shape, const T* x, const float* factor, T* y,
                    bool accumulate);

// y[n, p, c] = x[n, p, c] where gate[n, c] is not 0, else 0, whatever x holds there.
template <class T>
void mask_channels(const Launch& launch, const ChannelsLastShape& shape, const T* x, const float* gate, T* y,
                   bool accumulate);

// y[n, p, c] = value[n, c] * factor: the gradient of a mean.
template <class T>
void fill_channels(const Launch& launch, const ChannelsLastShape& shape, const float* value, double factor, T* y,
                   bool accumulate);

// result[n, c] = sum over p of a[n, p, c] * b[n, p, c]; each sum in one block, in a fixed order.
template <class T>
void dot_channels(const Launch& launch, const ChannelsLastShape& shape, const T* a, const T* b, float* result,
                  bool accumulate);

// result[n, c] = factor * sum over p of x[n, p, c]; each sum in one block, in a fixed order.
template <class T>
void sum_channels(const Launch& launch, const ChannelsLastShape& shape, const T* x, double factor, float* result);

// result[0] = factor * sum of sigmoid(x), in double and in a fixed order; 0 without elements. partials:
// [kSumPartials] doubles of scratch; ticket: one number, zero before the first call, and left zero.
inline constexpr std::int64_t kSumPartials = 256;
void sum_sigmoid(const Launch& launch, std::int64_t count, const float* x, double factor, float* result,
                 double* partials, unsigned* ticket);

// dx = factor * scale[0] * s (1 - s), s = sigmoid(x): the gradient of sum_sigmoid.
void sum_sigmoid_backward(const Launch& launch, std::int64_t count, const float* x, double factor, const float* scale,
                          float* dx, bool accumulate);

// sum[0] = sum over i, ascending, of weights[i] * values[i][0]: the total of at most kMostTerms losses. add: continues
// with what sum[0] holds, for more terms than that.
inline constexpr int kMostTerms = 32;
void weighted_sum(const Launch& launch, int terms, const float* const* values, const double* weights, float* sum,
                  bool add);

}  // namespace bsg::kernels::device
