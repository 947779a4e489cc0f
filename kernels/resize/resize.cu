#include "kernels/common/columns_device.hpp"
#include "kernels/common/pixels_device.hpp"
#include "kernels/common/vectors_device.hpp"
#include "kernels/resize/resize_device.hpp"
#include "kernels/simt/simt.hpp"

namespace bsg::kernels::device {
namespace {

// (1 - weight) * x[low] + weight * x[high]. high == low where the weight is zero.
struct Sample {
  int low, high;
  float weight;

  // What input h counts in this output.
  __device__ float of(int h) const { return h == low ? 1 - weight : h == high ? weight : 0; }
};

// Outputs begin to end - 1.
struct Range {
  int begin, end;
};

// The input coordinate of output i is (i * step + first) / parts, below 0 taken as 0. In whole numbers, so that which
// inputs an output has does not depend on a rounding; they fit, by kLargestResizeExtent.
struct Axis {
  int in, out;
  int step, first, parts;

  __device__ Sample sample(int i) const {
    const int at = i * step + first;
    const int coordinate = at > 0 ? at : 0;
    const int low = coordinate / parts < in ? coordinate / parts : in - 1;
    const int rest = low + 1 < in ? coordinate - low * parts : 0;
    return {low, rest > 0 ? low + 1 : low, static_cast<float>(rest) / static_cast<float>(parts)};
  }
  // Outputs whose coordinate may lie less than 1 away from input h; all that read h are among them.
  __device__ Range around(int h) const {
    Range range{0, out};
    if (h > 0) {
      const int above = (h - 1) * parts - first;
      range.begin = above > 0 ? above / step : 0;
    }
    if (h < in - 1) {
      const int end = ((h + 1) * parts - first) / step + 1;
      range.end = end < out ? end : out;
    }
    return range;
  }
};

template <class T>
struct Forward {
  Axis rows, columns;
  std::int64_t channels;
  const T* x;
  T* y;

  // Of one input row, between two columns.
  template <int N>
  __device__ Floats<N> between(const PixelPlace& p, int h, const Sample& column) const {
    const T* row = x + (static_cast<std::int64_t>(p.sample) * rows.in + h) * columns.in * channels + p.channel;
    auto v = load_floats<N>(row + column.low * channels);
    if (column.weight > 0) {
      const auto w = load_floats<N>(row + column.high * channels);
      for (int k = 0; k < N; ++k) v.v[k] = (1 - column.weight) * v.v[k] + column.weight * w.v[k];
    }
    return v;
  }
  template <int N>
  __device__ void at(const PixelPlace& p) const {
    const Sample row = rows.sample(static_cast<int>(p.row)), column = columns.sample(static_cast<int>(p.column));
    auto v = between<N>(p, row.low, column);
    if (row.weight > 0) {
      const auto w = between<N>(p, row.high, column);
      for (int k = 0; k < N; ++k) v.v[k] = (1 - row.weight) * v.v[k] + row.weight * w.v[k];
    }
    store_floats(y + p.at, v);
  }
};

template <class T>
struct Backward {
  Axis rows, columns;
  std::int64_t channels;
  const T* dy;
  T* dx;
  bool accumulate;

  template <int N>
  __device__ void at(const PixelPlace& p) const {
    const auto h = static_cast<int>(p.row), w = static_cast<int>(p.column);
    const Range down = rows.around(h), right = columns.around(w);
    Floats<N> sum{};
    for (int i = down.begin; i < down.end; ++i) {
      const float row_weight = rows.sample(i).of(h);
      if (row_weight == 0) continue;
      const T* from = dy + (static_cast<std::int64_t>(p.sample) * rows.out + i) * columns.out * channels + p.channel;
      Floats<N> in_row{};
      for (int j = right.begin; j < right.end; ++j) {
        const float weight = columns.sample(j).of(w);
        if (weight == 0) continue;
        const auto v = load_floats<N>(from + j * channels);
        for (int k = 0; k < N; ++k) in_row.v[k] += weight * v.v[k];
      }
      for (int k = 0; k < N; ++k) sum.v[k] += row_weight * in_row.v[k];
    }
    put_floats(dx + p.at, sum, accumulate);
  }
};

Axis axis(std::int64_t in, std::int64_t out, bool align_corners) {
  const auto i = static_cast<int>(in), o = static_cast<int>(out);
  if (!align_corners) return {i, o, 2 * i, i - o, 2 * o};
  return {i, o, i - 1, 0, o > 1 ? o - 1 : 1};
}

}  // namespace

template <class T>
void bilinear_resize(const Launch& launch, const ResizeShape& s, std::int64_t channels, const T* x, T* y) {
  if (channels == 0) return;
  const Axis rows = axis(s.height, s.out_height, s.align_corners),
             columns = axis(s.width, s.out_width, s.align_corners);
  with_channel_vector<T>(channels, [&](auto n) {
    constexpr int vector = decltype(n)::value;
    launch_each_pixel<vector>(launch.stream,
                              PixelGrid(s.planes / channels, s.out_height, s.out_width, channels, vector),
                              Forward<T>{rows, columns, channels, x, y});
  });
}

template <class T>
void bilinear_resize_backward(const Launch& launch, const ResizeShape& s, std::int64_t channels, const T* dy, T* dx,
                              bool accumulate) {
  if (channels == 0) return;
  const Axis rows = axis(s.height, s.out_height, s.align_corners),
             columns = axis(s.width, s.out_width, s.align_corners);
  with_channel_vector<T>(channels, [&](auto n) {
    constexpr int vector = decltype(n)::value;
    launch_each_pixel<vector>(launch.stream, PixelGrid(s.planes / channels, s.height, s.width, channels, vector),
                              Backward<T>{rows, columns, channels, dy, dx, accumulate});
  });
}

#define BSG_INSTANTIATE(T)                                                                         \
  template void bilinear_resize<T>(const Launch&, const ResizeShape&, std::int64_t, const T*, T*); \
  template void bilinear_resize_backward<T>(const Launch&, const ResizeShape&, std::int64_t, const T*, T*, bool);
BSG_INSTANTIATE(float)
BSG_INSTANTIATE(simt::bfloat16)
#undef BSG_INSTANTIATE

}  // namespace bsg::kernels::device
