#include <algorithm>

#include "kernels/resize/resize_planes.hpp"

namespace bsg::kernels::cpu {

BilinearPlanes::BilinearPlanes(std::int64_t height, std::int64_t width, std::int64_t out_height, std::int64_t out_width)
    : width_(width),
      same_(height == out_height && width == out_width),
      rows_(axis(height, out_height)),
      columns_(axis(width, out_width)) {}

std::vector<BilinearPlanes::Between> BilinearPlanes::axis(std::int64_t in, std::int64_t out) {
  std::vector<Between> all;
  const double step = static_cast<double>(in) / static_cast<double>(out);
  for (std::int64_t i = 0; i < out; ++i) {
    const double coordinate = std::max((static_cast<double>(i) + 0.5) * step - 0.5, 0.0);
    // Rounding may put the last coordinate a hair above the last input.
    const std::int64_t low = std::min(static_cast<std::int64_t>(coordinate), in - 1);
    const auto weight = static_cast<float>(low + 1 < in ? coordinate - static_cast<double>(low) : 0);
    all.push_back({low, weight > 0 ? low + 1 : low, weight});
  }
  return all;
}

void BilinearPlanes::resize(const float* x, std::int64_t x_row, float* y, std::int64_t y_row, float* scratch) const {
  for (const Between& row : rows_) {
    const float* upper = x + row.low * x_row;
    // Down the columns, where neighbours are vectors, then along the row that is left.
    if (row.weight > 0) {
      const float* const lower = x + row.high * x_row;
      for (std::int64_t w = 0; w < width_; ++w) scratch[w] = (1 - row.weight) * upper[w] + row.weight * lower[w];
      upper = scratch;
    }
    if (same_) {
      std::copy_n(upper, width_, y);
    } else {
      float* to = y;
      for (const Between& column : columns_)
        *to++ = column.weight > 0 ? (1 - column.weight) * upper[column.low] + column.weight * upper[column.high]
                                  : upper[column.low];
    }
    y += y_row;
  }
}

}  // namespace bsg::kernels::cpu
