// Fully connected layer: y[n, o] = sum over i of x[n, i] weight[o, i] + bias[o]. Row-major, contiguous. The project's
// are tiny (a classifier of 64 x 10, gates of C x 16): rows of dot products and scaled additions, no packing.
#pragma once

#include <cstdint>

#include "kernels/common/launch.hpp"

namespace bsg::kernels {

struct LinearShape {
  std::int64_t rows = 0;     // N
  std::int64_t inputs = 0;   // I
  std::int64_t outputs = 0;  // O
};

namespace cpu {

// bias may be null.
template <class T>
void linear(const Launch& launch, const LinearShape& shape, const T* x, const T* weight, const T* bias, T* y);

// dx[n, :] = sum over o of dy[n, o] weight[o, :]. accumulate: added to dx.
template <class T>
void linear_backward_input(const Launch& launch, const LinearShape& shape, const T* weight, const T* dy, T* dx,
                           bool accumulate);

// dweight[o, :] = sum over n of dy[n, o] x[n, :]
template <class T>
void linear_backward_weight(const Launch& launch, const LinearShape& shape, const T* x, const T* dy, T* dweight,
                            bool accumulate);

// dbias[o] = sum over n of dy[n, o]
template <class T>
void linear_backward_bias(const Launch& launch, const LinearShape& shape, const T* dy, T* dbias, bool accumulate);

}  // namespace cpu
}  // namespace bsg::kernels
