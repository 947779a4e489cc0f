// The gradient of a bias: sums down the columns of a matrix.
#pragma once

#include <cstdint>

#include "kernels/common/launch.hpp"
#include "kernels/simt/simt.hpp"

namespace bsg::kernels::device {

inline constexpr unsigned kSumThreads = 256;
using ColumnSum = simt::BlockSum<float, kSumThreads>;

// A block for each column.
static __global__ void __launch_bounds__(kSumThreads)
    sum_column(const float* __restrict__ x, std::int64_t rows, std::int64_t columns, float* sum, bool accumulate) {
  const std::int64_t column = simt::block().x;
  float part = 0;
  for (std::int64_t row = simt::thread().x; row < rows; row += kSumThreads) part += x[row * columns + column];
  part = simt::block_sum<kSumThreads>(simt::shared<ColumnSum>(), part);
  if (simt::thread().x == 0) sum[column] = accumulate ? sum[column] + part : part;
}

// sum[c] (+)= sum over rows of x [rows, columns], in an order that the shape alone decides.
inline void sum_columns(const Launch& launch, const float* x, std::int64_t rows, std::int64_t columns, float* sum,
                        bool accumulate) {
  simt::launch<ColumnSum>(sum_column, {static_cast<unsigned>(columns)}, {kSumThreads}, launch.stream, x, rows, columns,
                          sum, accumulate);
}

}  // namespace bsg::kernels::device
