#include <algorithm>

#include "kernels/common/parallel_for.hpp"
#include "kernels/linear/linear.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/linear/linear_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/common/vectors-inl.hpp"

#ifndef BSG_LINEAR_ARGUMENTS
#define BSG_LINEAR_ARGUMENTS
namespace bsg::kernels::cpu {
namespace {

template <class T>
struct LinearForward {
  LinearShape shape;
  const T* x;
  const T* weight;
  const T* bias;
  T* y;
};

// row r of result [rows, columns] = sum over terms t of factor[r * row_stride + t * term_stride] * source[t, columns]
template <class T>
struct RowCombination {
  std::int64_t terms, columns, row_stride, term_stride;
  const T* factor;
  const T* source;
  T* result;
  bool accumulate;
};

}  // namespace
}  // namespace bsg::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace bsg::kernels::cpu {
namespace HWY_NAMESPACE {
namespace {

template <class T>
void forward_part(const LinearForward<T>& a, std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row)
    for (std::int64_t output = 0; output < a.shape.outputs; ++output) {
      const T* x = a.x + row * a.shape.inputs;
      const T* w = a.weight + output * a.shape.inputs;
      const double sum = sum_vectors<T>(
          a.shape.inputs, [&](auto d, std::int64_t i) { return hn::Mul(hn::LoadU(d, x + i), hn::LoadU(d, w + i)); });
      const double bias = a.bias != nullptr ? static_cast<double>(a.bias[output]) : 0;
      a.y[row * a.shape.outputs + output] = static_cast<T>(sum + bias);
    }
}

// A vector of columns at a time, so that its sum stays in a register over all terms.
template <class T>
void combine_part(const RowCombination<T>& a, std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row)
    each_vector<T>(a.columns, [&](auto d, std::int64_t i) {
      auto even = hn::Zero(d), odd = hn::Zero(d);
      const T* factor = a.factor + row * a.row_stride;
      std::int64_t term = 0;
      for (; term + 2 <= a.terms; term += 2) {
        even =
            hn::MulAdd(hn::Set(d, factor[term * a.term_stride]), hn::LoadU(d, a.source + term * a.columns + i), even);
        odd = hn::MulAdd(hn::Set(d, factor[(term + 1) * a.term_stride]),
                         hn::LoadU(d, a.source + (term + 1) * a.columns + i), odd);
      }
      if (term < a.terms)
        even =
            hn::MulAdd(hn::Set(d, factor[term * a.term_stride]), hn::LoadU(d, a.source + term * a.columns + i), even);
      put(d, hn::Add(even, odd), a.result + row * a.columns + i, a.accumulate);
    });
}

BSG_PART(forward_part, LinearForward)
BSG_PART(combine_part, RowCombination)

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bsg::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bsg::kernels::cpu {
namespace {

BSG_EXPORT_PART(forward_part, LinearForward)
BSG_EXPORT_PART(combine_part, RowCombination)

std::int64_t products(const LinearShape& shape) { return shape.rows * shape.inputs * shape.outputs; }

}  // namespace

template <class T>
void linear(const Launch& launch, const LinearShape& shape, const T* x, const T* weight, const T* bias, T* y) {
  const LinearForward<T> arguments{shape, x, weight, bias, y};
  parallel_for(launch, shape.rows, products(shape),
               [&](std::int64_t begin, std::int64_t end) { run_forward_part(arguments, begin, end); });
}

template <class T>
void linear_backward_input(const Launch& launch, const LinearShape& shape, const T* weight, const T* dy, T* dx,
                           bool accumulate) {
  const RowCombination<T> arguments{shape.outputs, shape.inputs, shape.outputs, 1, dy, weight, dx, accumulate};
  parallel_for(launch, shape.rows, products(shape),
               [&](std::int64_t begin, std::int64_t end) { run_combine_part(arguments, begin, end); });
}

template <class T>
void linear_backward_weight(const Launch& launch, const LinearShape& shape, const T* x, const T* dy, T* dweight,
                            bool accumulate) {
  const RowCombination<T> arguments{shape.rows, shape.inputs, 1, shape.outputs, dy, x, dweight, accumulate};
  parallel_for(launch, shape.outputs, products(shape),
               [&](std::int64_t begin, std::int64_t end) { run_combine_part(arguments, begin, end); });
}

template <class T>
void linear_backward_bias(const Launch&, const LinearShape& shape, const T* dy, T* dbias, bool accumulate) {
  for (std::int64_t output = 0; output < shape.outputs; ++output) {
    double sum = accumulate ? static_cast<double>(dbias[output]) : 0;
    for (std::int64_t row = 0; row < shape.rows; ++row) sum += static_cast<double>(dy[row * shape.outputs + output]);
    dbias[output] = static_cast<T>(sum);
  }
}

#define BSG_INSTANTIATE(T)                                                                                  \
  template void linear<T>(const Launch&, const LinearShape&, const T*, const T*, const T*, T*);             \
  template void linear_backward_input<T>(const Launch&, const LinearShape&, const T*, const T*, T*, bool);  \
  template void linear_backward_weight<T>(const Launch&, const LinearShape&, const T*, const T*, T*, bool); \
  template void linear_backward_bias<T>(const Launch&, const LinearShape&, const T*, T*, bool);
BSG_INSTANTIATE(float)
BSG_INSTANTIATE(double)
#undef BSG_INSTANTIATE

}  // namespace bsg::kernels::cpu
#endif
