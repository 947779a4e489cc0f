// The gradient of a bias: sums down the columns of a matrix.
#pragma once

#include <cstdint>

#include "kernels/common/columns_device.hpp"
#include "kernels/common/launch.hpp"
#include "kernels/common/vectors_device.hpp"
#include "kernels/simt/simt.hpp"

namespace bsg::kernels::device {

// A block sums its columns over all rows.
template <class T>
__global__ void __launch_bounds__(kColumnThreads)
    sum_block_columns(std::int64_t rows, std::int64_t width, unsigned columns, const T* from, float* to,
                      bool accumulate) {
  auto& s = simt::shared<ColumnSums<1>>();
  const ColumnPlace place(columns, simt::block().x, 1);
  const bool inside = place.channel < width;
  float sum[1] = {0};
  for (std::int64_t row = place.row; inside && row < rows; row += place.rows)
    sum[0] += widen(from[row * width + place.channel]);
  sum_rows(s, columns, sum);
  if (place.row == 0 && inside) to[place.channel] = accumulate ? to[place.channel] + sum[0] : sum[0];
}

// sum[c] (+)= sum over rows of x [rows, width], in an order that the shape alone decides.
template <class T>
void sum_columns(const Launch& launch, const T* x, std::int64_t rows, std::int64_t width, float* sum, bool accumulate) {
  const ColumnTiles tiles(width, 1);
  simt::launch<ColumnSums<1>>(sum_block_columns<T>, {tiles.tiles}, {kColumnThreads}, launch.stream, rows, width,
                              tiles.columns, x, sum, accumulate);
}

}  // namespace bsg::kernels::device
