// Batch normalisation on the device, over rows of channels (channels last): x[row, channel], a row for every pixel of
// every sample. T: float or simt::bfloat16, computed in float; parameters are float, statistics double, as on the CPU.
//
// Sums over rows are cut into parts by the shape alone. Each part's are added in a fixed tree, the parts' in order and
// in double by the block of each column of parts that ends last: one launch, the same bits in every run.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/common/launch.hpp"

namespace bsg::kernels::device {

struct BatchNormRows {
  std::int64_t rows = 0;
  std::int64_t channels = 0;
};

struct BatchNormScratch {
  double* partials = nullptr;   // batch_norm_partials(shape) numbers
  unsigned* tickets = nullptr;  // batch_norm_tickets(shape), zero before the first call; left zero
};
std::int64_t batch_norm_partials(const BatchNormRows& shape);
std::int64_t batch_norm_tickets(const BatchNormRows& shape);

// All [channels].
struct BatchNormStatistics {
  double* mean = nullptr;
  double* inverse_deviation = nullptr;  // 1 / sqrt(biased variance + epsilon)
  double epsilon = 1e-5;
  // Null, or moved by `momentum` towards the batch's mean and unbiased variance.
  float* running_mean = nullptr;
  float* running_var = nullptr;
  double momentum = 0.1;
};

// Of x, rows >= 1, all in double. One row has no unbiased variance: running_var then becomes NaN, which the op does not
// let happen.
template <class T>
void batch_norm_statistics(const Launch& launch, const BatchNormRows& shape, const T* x,
                           const BatchNormStatistics& statistics, const BatchNormScratch& scratch);

// The statistics that inference uses, from running_mean and running_var, which stay as they are.
void batch_norm_running(const Launch& launch, std::int64_t channels, const BatchNormStatistics& statistics);

template <class T>
struct DeviceBatchNormInputs {
  BatchNormRows shape;
  const T* x = nullptr;
  const float* weight = nullptr;
  const float* bias = nullptr;
  const double* mean = nullptr;
  const double* inverse_deviation = nullptr;
  bool relu = false;
};

// y = relu?(weight (x - mean) inverse_deviation + bias + residual?); residual may be null. y may be x or residual.
template <class T>
void batch_norm_forward(const Launch& launch, const DeviceBatchNormInputs<T>& inputs, const T* residual, T* y);

// With relu, the gradient passes where y > 0 (or NaN). y: the forward output, needed only where a residual was added;
// null: its sign is computed again from x, to the same bits.
template <class T>
struct DeviceBatchNormBackward {
  DeviceBatchNormInputs<T> inputs;
  const T* y = nullptr;
  const T* dy = nullptr;
  bool batch_statistics = true;  // whether mean and deviation depend on x (training)
  double* sum_dy = nullptr;      // [channels]: written by reduce, read by backward
  double* sum_dy_x = nullptr;
  // Null: not wanted.
  float* dweight = nullptr;
  float* dbias = nullptr;
  bool accumulate_dweight = false, accumulate_dbias = false;
  T* dx = nullptr;
  bool accumulate_dx = false;
  T* dresidual = nullptr;
  bool accumulate_dresidual = false;
};

// Per channel the sums of g and of g (x - mean), where g is dy behind the ReLU, and from them dweight and dbias.
template <class T>
void batch_norm_reduce(const Launch& launch, const DeviceBatchNormBackward<T>& arguments,
                       const BatchNormScratch& scratch);

// dx and dresidual in one pass, after batch_norm_reduce.
template <class T>
void batch_norm_backward(const Launch& launch, const DeviceBatchNormBackward<T>& arguments);

}  // namespace bsg::kernels::device
