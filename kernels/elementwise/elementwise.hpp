// Element-wise kernels, and those that treat every plane of an activation by one number. No kernel here reads an
// element twice or depends on another one, so input and output may be the same array.
#pragma once

#include <cstdint>

#include "kernels/common/launch.hpp"

namespace bsg::kernels::cpu {

// y = max(x, 0); NaN stays NaN, -0 becomes 0.
template <class T>
void relu(const Launch& launch, std::int64_t count, const T* x, T* y);

// dx = dy where y > 0 or y is NaN, else 0. accumulate: added to dx.
template <class T>
void relu_backward(const Launch& launch, std::int64_t count, const T* y, const T* dy, T* dx, bool accumulate);

// y = a + b
template <class T>
void add(const Launch& launch, std::int64_t count, const T* a, const T* b, T* y);

// y[p, :] = x[p, :] * factor[p], for [planes, plane]. accumulate: added to y.
template <class T>
void scale_planes(const Launch& launch, std::int64_t planes, std::int64_t plane, const T* x, const T* factor, T* y,
                  bool accumulate);

// y[p, :] = x[p, :] where gate[p] is not 0, else 0; planes of x that are off are not read. accumulate: added to y. x
// and y may be the same array, then planes that are on are left alone.
template <class T>
void mask_planes(const Launch& launch, std::int64_t planes, std::int64_t plane, const T* x, const T* gate, T* y,
                 bool accumulate);

// result[p] = sum of a[p, :] * b[p, :]. accumulate: added to result.
template <class T>
void dot_planes(const Launch& launch, std::int64_t planes, std::int64_t plane, const T* a, const T* b, T* result,
                bool accumulate);

// y[p, :] = value[p] * factor: the gradient of a mean. accumulate: added to y.
template <class T>
void fill_planes(const Launch& launch, std::int64_t planes, std::int64_t plane, const T* value, double factor, T* y,
                 bool accumulate);

// result[p] = factor * sum of x[p, :]
template <class T>
void sum_planes(const Launch& launch, std::int64_t planes, std::int64_t plane, const T* x, double factor, T* result);

}  // namespace bsg::kernels::cpu
