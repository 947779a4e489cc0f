// Batch normalisation (Ioffe and Szegedy 2015) over planes: x[samples, channels, plane], contiguous, with the ReLU and
// the residual addition that follow it in residual networks fused in.
#pragma once

#include <cstdint>

#include "kernels/common/launch.hpp"

namespace bsg::kernels {

struct BatchNormShape {
  std::int64_t samples = 0;
  std::int64_t channels = 0;
  std::int64_t plane = 0;  // elements of one channel of one sample
};

// Everything that the value of y depends on. mean and inverse_deviation [channels] = 1 / sqrt(var + epsilon) are of the
// batch in training and the running ones in inference.
template <class T>
struct BatchNormInputs {
  BatchNormShape shape;
  const T* x = nullptr;
  const T* weight = nullptr;  // [channels]
  const T* bias = nullptr;    // [channels]
  const double* mean = nullptr;
  const double* inverse_deviation = nullptr;
  bool relu = false;
};

template <class T>
struct BatchNormForward {
  BatchNormInputs<T> inputs;
  const T* residual = nullptr;  // null: none
  T* y = nullptr;
};

// With relu, the gradient passes where y > 0 (or NaN). y: the forward output, needed only where a residual was added;
// null: its sign is computed again from x, to the same bits.
template <class T>
struct BatchNormBackward {
  BatchNormInputs<T> inputs;
  const T* y = nullptr;
  const T* dy = nullptr;
  // Whether mean and deviation depend on x (training).
  bool batch_statistics = true;
  // [channels]: what batch_norm_reduce returns.
  const double* sum_dy = nullptr;
  const double* sum_dy_x = nullptr;
  // Null: not wanted.
  T* dx = nullptr;
  bool accumulate_dx = false;
  T* dresidual = nullptr;
  bool accumulate_dresidual = false;
};

namespace cpu {

// mean and biased variance [channels] of x over samples and plane; samples * plane >= 1. One pass over memory: each
// plane is centred on its own mean while it lies in the cache, planes are merged in double (Chan, Golub, LeVeque 1983).
template <class T>
void batch_norm_statistics(const Launch& launch, const BatchNormShape& shape, const T* x, double* mean,
                           double* variance);

// y = relu?(weight (x - mean) inverse_deviation + bias + residual?)
template <class T>
void batch_norm_forward(const Launch& launch, const BatchNormForward<T>& arguments);

// Per channel the sums of g and of g (x - mean), where g is dy behind the ReLU. The bias's gradient is sum_dy; the
// weight's is inverse_deviation * sum_dy_x.
template <class T>
void batch_norm_reduce(const Launch& launch, const BatchNormBackward<T>& arguments, double* sum_dy, double* sum_dy_x);

// Writes dx and dresidual in one pass.
template <class T>
void batch_norm_backward(const Launch& launch, const BatchNormBackward<T>& arguments);

}  // namespace cpu
}  // namespace bsg::kernels
