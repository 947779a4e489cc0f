#include <algorithm>

#include "kernels/common/parallel_for.hpp"
#include "kernels/pool2d/adaptive_average_pool2d.hpp"

namespace bsg::kernels::cpu {
namespace {

// visit(window of y, its rows, its columns, its elements) for every window of a plane.
template <class Visit>
void each_window(const AdaptivePoolShape& s, const Visit& visit) {
  for (std::int64_t i = 0; i < s.out_height; ++i) {
    const AdaptiveWindow rows = adaptive_window(i, s.height, s.out_height);
    for (std::int64_t j = 0; j < s.out_width; ++j) {
      const AdaptiveWindow columns = adaptive_window(j, s.width, s.out_width);
      visit(i * s.out_width + j, rows, columns,
            static_cast<double>((rows.end - rows.begin) * (columns.end - columns.begin)));
    }
  }
}

}  // namespace

template <class T>
void adaptive_average_pool2d(const Launch& launch, const AdaptivePoolShape& s, const T* x, T* y) {
  const std::int64_t plane = s.height * s.width, windows = s.out_height * s.out_width;
  parallel_for(launch, s.planes, s.planes * std::max(plane, windows), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      const T* const from = x + p * plane;
      T* const to = y + p * windows;
      each_window(s,
                  [&](std::int64_t window, const AdaptiveWindow& rows, const AdaptiveWindow& columns, double elements) {
                    double sum = 0;
                    for (std::int64_t h = rows.begin; h < rows.end; ++h)
                      for (std::int64_t w = columns.begin; w < columns.end; ++w)
                        sum += static_cast<double>(from[h * s.width + w]);
                    to[window] = static_cast<T>(sum / elements);
                  });
    }
  });
}

template <class T>
void adaptive_average_pool2d_backward(const Launch& launch, const AdaptivePoolShape& s, const T* dy, T* dx,
                                      bool accumulate) {
  const std::int64_t plane = s.height * s.width, windows = s.out_height * s.out_width;
  parallel_for(launch, s.planes, s.planes * std::max(plane, windows), [&](std::int64_t begin, std::int64_t end) {
    if (!accumulate) std::fill(dx + begin * plane, dx + end * plane, T{0});
    for (std::int64_t p = begin; p < end; ++p) {
      const T* const from = dy + p * windows;
      T* const to = dx + p * plane;
      each_window(s,
                  [&](std::int64_t window, const AdaptiveWindow& rows, const AdaptiveWindow& columns, double elements) {
                    const T share = static_cast<T>(static_cast<double>(from[window]) / elements);
                    for (std::int64_t h = rows.begin; h < rows.end; ++h)
                      for (std::int64_t w = columns.begin; w < columns.end; ++w) to[h * s.width + w] += share;
                  });
    }
  });
}

#define BSG_INSTANTIATE(T)                                                                         \
  template void adaptive_average_pool2d<T>(const Launch&, const AdaptivePoolShape&, const T*, T*); \
  template void adaptive_average_pool2d_backward<T>(const Launch&, const AdaptivePoolShape&, const T*, T*, bool);
BSG_INSTANTIATE(float)
BSG_INSTANTIATE(double)
#undef BSG_INSTANTIATE

}  // namespace bsg::kernels::cpu
