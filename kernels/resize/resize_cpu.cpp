#include <algorithm>
#include <vector>

#include "kernels/common/parallel_for.hpp"
#include "kernels/resize/resize.hpp"

namespace bsg::kernels::cpu {
namespace {

// (1 - weight) * x[low] + weight * x[high]. high == low where the weight is zero.
struct Sample {
  std::int64_t low, high;
  double weight;
};

std::vector<Sample> axis_samples(std::int64_t in, std::int64_t out, bool align_corners) {
  const auto extent = static_cast<double>(in);
  std::vector<Sample> samples;
  samples.reserve(static_cast<std::size_t>(out));
  for (std::int64_t i = 0; i < out; ++i) {
    const auto at = static_cast<double>(i);
    double coordinate = 0;
    if (!align_corners) {
      coordinate = std::max((at + 0.5) * (extent / static_cast<double>(out)) - 0.5, 0.0);
    } else if (out > 1) {
      coordinate = at * ((extent - 1) / static_cast<double>(out - 1));
    }
    // Rounding may put the last coordinate a hair above the last input.
    const std::int64_t low = std::min(static_cast<std::int64_t>(coordinate), in - 1);
    const double weight = low + 1 < in ? coordinate - static_cast<double>(low) : 0;
    samples.push_back({low, weight > 0 ? low + 1 : low, weight});
  }
  return samples;
}

struct Axes {
  explicit Axes(const ResizeShape& s)
      : rows(axis_samples(s.height, s.out_height, s.align_corners)),
        columns(axis_samples(s.width, s.out_width, s.align_corners)) {}
  std::vector<Sample> rows, columns;
};

double between(double low, double high, double weight) { return weight > 0 ? (1 - weight) * low + weight * high : low; }

}  // namespace

template <class T>
void bilinear_resize(const Launch& launch, const ResizeShape& s, const T* x, T* y) {
  const Axes axes(s);
  parallel_for(launch, s.planes, s.planes * s.out_height * s.out_width * 4, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      T* to = y + p * s.out_height * s.out_width;
      for (const Sample& row : axes.rows) {
        const T* upper = x + (p * s.height + row.low) * s.width;
        const T* lower = x + (p * s.height + row.high) * s.width;
        for (const Sample& column : axes.columns)
          *to++ = static_cast<T>(between(between(upper[column.low], upper[column.high], column.weight),
                                         between(lower[column.low], lower[column.high], column.weight), row.weight));
      }
    }
  });
}

template <class T>
void bilinear_resize_backward(const Launch& launch, const ResizeShape& s, const T* dy, T* dx, bool accumulate) {
  const Axes axes(s);
  const std::int64_t plane = s.height * s.width;
  parallel_for(launch, s.planes, s.planes * s.out_height * s.out_width * 4, [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> sums(static_cast<std::size_t>(plane));
    for (std::int64_t p = begin; p < end; ++p) {
      std::ranges::fill(sums, 0.0);
      const T* from = dy + p * s.out_height * s.out_width;
      for (const Sample& row : axes.rows) {
        double* upper = sums.data() + row.low * s.width;
        double* lower = sums.data() + row.high * s.width;
        for (const Sample& column : axes.columns) {
          const auto value = static_cast<double>(*from++);
          const auto put = [&](double* to, double part) {
            to[column.low] += (1 - column.weight) * part;
            if (column.weight > 0) to[column.high] += column.weight * part;
          };
          put(upper, (1 - row.weight) * value);
          if (row.weight > 0) put(lower, row.weight * value);
        }
      }
      T* to = dx + p * plane;
      for (std::int64_t i = 0; i < plane; ++i) {
        const double sum = sums[static_cast<std::size_t>(i)];
        to[i] = static_cast<T>(accumulate ? static_cast<double>(to[i]) + sum : sum);
      }
    }
  });
}

#define BSG_INSTANTIATE(T)                                                           \
  template void bilinear_resize<T>(const Launch&, const ResizeShape&, const T*, T*); \
  template void bilinear_resize_backward<T>(const Launch&, const ResizeShape&, const T*, T*, bool);
BSG_INSTANTIATE(float)
BSG_INSTANTIATE(double)
#undef BSG_INSTANTIATE

}  // namespace bsg::kernels::cpu
