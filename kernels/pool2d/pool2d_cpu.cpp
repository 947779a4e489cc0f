#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/common/parallel_for.hpp"
#include "kernels/pool2d/pool2d.hpp"

namespace bsg::kernels::cpu {
namespace {

// Half-open.
struct Range {
  std::int64_t begin, end;
  std::int64_t size() const { return end - begin; }
};

std::int64_t ceil_divide(std::int64_t a, std::int64_t b) { return a >= 0 ? (a + b - 1) / b : -(-a / b); }

// The outputs i in [0, outputs) for which tap r of their window lies in [0, extent).
Range outputs_inside(const Pool2dShape& s, std::int64_t r, std::int64_t extent, std::int64_t outputs) {
  const std::int64_t shift = s.padding - r * s.dilation;  // input = i * stride - shift
  return {std::clamp<std::int64_t>(ceil_divide(shift, s.stride), 0, outputs),
          std::clamp<std::int64_t>(ceil_divide(extent + shift, s.stride), 0, outputs)};
}

// The inputs that window i holds, without dilation.
Range inputs_of(const Pool2dShape& s, std::int64_t i, std::int64_t extent) {
  const std::int64_t first = i * s.stride - s.padding;
  return {std::max<std::int64_t>(first, 0), std::min(first + s.kernel, extent)};
}

// The windows that hold input h, without dilation.
Range windows_of(const Pool2dShape& s, std::int64_t h, std::int64_t outputs) {
  return {std::max<std::int64_t>(ceil_divide(h + s.padding - s.kernel + 1, s.stride), 0),
          std::min((h + s.padding) / s.stride + 1, outputs)};
}

double divisor(const Pool2dShape& s, bool count_include_pad, const Range& rows, const Range& columns) {
  return static_cast<double>(count_include_pad ? s.kernel * s.kernel : rows.size() * columns.size());
}

// Element of x's plane that window (i, j) takes its maximum from.
template <class T>
std::int64_t argmax(const Pool2dShape& s, const T* x, std::int64_t i, std::int64_t j) {
  std::int64_t best = -1;
  for (std::int64_t r = 0; r < s.kernel; ++r) {
    const std::int64_t h = i * s.stride - s.padding + r * s.dilation;
    if (h < 0 || h >= s.height) continue;
    for (std::int64_t c = 0; c < s.kernel; ++c) {
      const std::int64_t w = j * s.stride - s.padding + c * s.dilation;
      if (w < 0 || w >= s.width) continue;
      const std::int64_t at = h * s.width + w;
      if (std::isnan(x[at])) return at;
      if (best < 0 || x[at] > x[best]) best = at;
    }
  }
  return best;
}

}  // namespace

template <class T>
void max_pool2d(const Launch& launch, const Pool2dShape& s, const T* x, T* y) {
  const std::int64_t rows = s.out_height(), columns = s.out_width(), plane = s.height * s.width;
  parallel_for(launch, s.planes, s.planes * rows * columns * s.kernel * s.kernel,
               [&](std::int64_t begin, std::int64_t end) {
                 std::fill(y + begin * rows * columns, y + end * rows * columns, -std::numeric_limits<T>::infinity());
                 for (std::int64_t p = begin; p < end; ++p)
                   for (std::int64_t i = 0; i < rows; ++i) {
                     T* to = y + (p * rows + i) * columns;
                     // Tap by tap over a whole row of outputs, so that the inner loop has no bounds to check.
                     for (std::int64_t r = 0; r < s.kernel; ++r) {
                       const std::int64_t h = i * s.stride - s.padding + r * s.dilation;
                       if (h < 0 || h >= s.height) continue;
                       for (std::int64_t c = 0; c < s.kernel; ++c) {
                         const Range inside = outputs_inside(s, c, s.width, columns);
                         const T* from = x + p * plane + h * s.width - s.padding + c * s.dilation;
                         for (std::int64_t j = inside.begin; j < inside.end; ++j) {
                           const T value = from[j * s.stride];
                           // A NaN is taken, and then stays: nothing is larger than it.
                           to[j] = value > to[j] || value != value ? value : to[j];
                         }
                       }
                     }
                   }
               });
}

template <class T>
void max_pool2d_backward(const Launch& launch, const Pool2dShape& s, const T* x, const T* dy, T* dx, bool accumulate) {
  const std::int64_t rows = s.out_height(), columns = s.out_width(), plane = s.height * s.width;
  parallel_for(launch, s.planes, s.planes * rows * columns * s.kernel * s.kernel,
               [&](std::int64_t begin, std::int64_t end) {
                 if (!accumulate) std::fill(dx + begin * plane, dx + end * plane, T{0});
                 for (std::int64_t p = begin; p < end; ++p)
                   for (std::int64_t i = 0; i < rows; ++i)
                     for (std::int64_t j = 0; j < columns; ++j)
                       dx[p * plane + argmax(s, x + p * plane, i, j)] += dy[(p * rows + i) * columns + j];
               });
}

template <class T>
void average_pool2d(const Launch& launch, const Pool2dShape& s, bool count_include_pad, const T* x, T* y) {
  const std::int64_t rows = s.out_height(), columns = s.out_width(), plane = s.height * s.width;
  parallel_for(
      launch, s.planes, s.planes * rows * columns * s.kernel * s.kernel, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t p = begin; p < end; ++p)
          for (std::int64_t i = 0; i < rows; ++i) {
            const Range down = inputs_of(s, i, s.height);
            for (std::int64_t j = 0; j < columns; ++j) {
              const Range right = inputs_of(s, j, s.width);
              double sum = 0;
              for (std::int64_t h = down.begin; h < down.end; ++h)
                for (std::int64_t w = right.begin; w < right.end; ++w)
                  sum += static_cast<double>(x[p * plane + h * s.width + w]);
              y[(p * rows + i) * columns + j] = static_cast<T>(sum / divisor(s, count_include_pad, down, right));
            }
          }
      });
}

template <class T>
void average_pool2d_backward(const Launch& launch, const Pool2dShape& s, bool count_include_pad, const T* dy, T* dx,
                             bool accumulate) {
  const std::int64_t rows = s.out_height(), columns = s.out_width(), plane = s.height * s.width;
  parallel_for(launch, s.planes, s.planes * rows * columns * s.kernel * s.kernel,
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t p = begin; p < end; ++p)
                   for (std::int64_t h = 0; h < s.height; ++h) {
                     const Range down = windows_of(s, h, rows);
                     for (std::int64_t w = 0; w < s.width; ++w) {
                       const Range right = windows_of(s, w, columns);
                       double sum = 0;
                       for (std::int64_t i = down.begin; i < down.end; ++i)
                         for (std::int64_t j = right.begin; j < right.end; ++j)
                           sum += static_cast<double>(dy[(p * rows + i) * columns + j]) /
                                  divisor(s, count_include_pad, inputs_of(s, i, s.height), inputs_of(s, j, s.width));
                       T& to = dx[p * plane + h * s.width + w];
                       to = static_cast<T>(accumulate ? static_cast<double>(to) + sum : sum);
                     }
                   }
               });
}

#define BSG_INSTANTIATE(T)                                                                               \
  template void max_pool2d<T>(const Launch&, const Pool2dShape&, const T*, T*);                          \
  template void max_pool2d_backward<T>(const Launch&, const Pool2dShape&, const T*, const T*, T*, bool); \
  template void average_pool2d<T>(const Launch&, const Pool2dShape&, bool, const T*, T*);                \
  template void average_pool2d_backward<T>(const Launch&, const Pool2dShape&, bool, const T*, T*, bool);
BSG_INSTANTIATE(float)
BSG_INSTANTIATE(double)
#undef BSG_INSTANTIATE

}  // namespace bsg::kernels::cpu
