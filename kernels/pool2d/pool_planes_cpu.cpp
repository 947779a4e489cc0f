#include <algorithm>

#include "kernels/pool2d/adaptive_average_pool2d.hpp"
#include "kernels/pool2d/pool_planes.hpp"

namespace bsg::kernels::cpu {
namespace {

// NaN where one of them is.
float larger(float a, float b) { return b > a || b != b ? b : a; }

}  // namespace

std::int64_t max_pool_scratch(const PlaneLayout& x) { return x.width; }

void max_pool_planes(const PoolWindow& window, const PlaneLayout& x_layout, const float* x, const PlaneLayout& y_layout,
                     std::int64_t begin, std::int64_t end, float* y, float* sums, float* scratch) {
  const std::int64_t width = x_layout.width;
  const auto inside = [](std::int64_t at, std::int64_t extent) { return std::clamp<std::int64_t>(at, 0, extent); };
  for (std::int64_t c = begin; c < end; ++c) {
    const float* const from = x + c * x_layout.plane() + x_layout.offset(0, 0);
    float* const to = y + c * y_layout.plane() + y_layout.offset(0, 0);
    float partial[PlaneLayout::kSlack] = {};
    for (std::int64_t i = 0; i < y_layout.height; ++i) {
      const std::int64_t top = i * window.stride - window.padding;
      const std::int64_t first = inside(top, x_layout.height), last = inside(top + window.kernel, x_layout.height);
      // Down the columns, where neighbours are vectors, then along the row that is left.
      std::copy_n(from + first * x_layout.row(), width, scratch);
      for (std::int64_t r = first + 1; r < last; ++r) {
        const float* const row = from + r * x_layout.row();
        for (std::int64_t j = 0; j < width; ++j) scratch[j] = larger(scratch[j], row[j]);
      }
      float* const out = to + i * y_layout.row();
      for (std::int64_t j = 0; j < y_layout.width; ++j) {
        const std::int64_t left = j * window.stride - window.padding;
        const std::int64_t begin_j = inside(left, width), end_j = inside(left + window.kernel, width);
        float largest = scratch[begin_j];
        for (std::int64_t s = begin_j + 1; s < end_j; ++s) largest = larger(largest, scratch[s]);
        out[j] = largest;
        partial[j % PlaneLayout::kSlack] += largest;
      }
    }
    if (sums != nullptr) std::copy_n(partial, PlaneLayout::kSlack, sums + c * PlaneLayout::kSlack);
  }
}

void adaptive_average_pool_planes(const PlaneLayout& x_layout, const float* x, const PlaneLayout& y_layout,
                                  std::int64_t begin, std::int64_t end, float* y) {
  for (std::int64_t c = begin; c < end; ++c)
    for (std::int64_t i = 0; i < y_layout.height; ++i) {
      const AdaptiveWindow rows = adaptive_window(i, x_layout.height, y_layout.height);
      for (std::int64_t j = 0; j < y_layout.width; ++j) {
        const AdaptiveWindow columns = adaptive_window(j, x_layout.width, y_layout.width);
        double sum = 0;
        for (std::int64_t h = rows.begin; h < rows.end; ++h) {
          const float* const row = x + c * x_layout.plane() + x_layout.offset(h, 0);
          for (std::int64_t w = columns.begin; w < columns.end; ++w) sum += static_cast<double>(row[w]);
        }
        const auto elements = static_cast<double>((rows.end - rows.begin) * (columns.end - columns.begin));
        y[c * y_layout.plane() + y_layout.offset(i, j)] = static_cast<float>(sum / elements);
      }
    }
}

}  // namespace bsg::kernels::cpu
