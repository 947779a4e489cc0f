// Forward, a block sums one window for a tile of channels, so that one large window keeps 256 threads busy; backward, a
// thread computes some channels of one pixel from the windows that hold it.
#include "kernels/common/columns_device.hpp"
#include "kernels/common/pixels_device.hpp"
#include "kernels/common/vectors_device.hpp"
#include "kernels/pool2d/adaptive_average_pool2d_device.hpp"
#include "kernels/simt/simt.hpp"

namespace bsg::kernels::device {
namespace {

__device__ float elements(const AdaptiveWindow& rows, const AdaptiveWindow& columns) {
  return static_cast<float>((rows.end - rows.begin) * (columns.end - columns.begin));
}

// Grid: windows of all samples, tiles of channels.
template <class T, int vector>
__global__ void __launch_bounds__(kColumnThreads)
    adaptive_average(AdaptivePoolShape s, std::int64_t channels, unsigned columns, const T* x, T* y) {
  auto& sums = simt::shared<ColumnSums<vector>>();
  const ColumnPlace place(columns, simt::block().y, vector);
  const bool inside = place.channel < channels;
  const std::int64_t window = simt::block().x;
  const std::int64_t sample = window / (s.out_height * s.out_width);
  const AdaptiveWindow down = adaptive_window(window / s.out_width % s.out_height, s.height, s.out_height),
                       right = adaptive_window(window % s.out_width, s.width, s.out_width);
  const std::int64_t width = right.end - right.begin, count = (down.end - down.begin) * width;
  float sum[vector] = {};
  for (std::int64_t i = place.row; inside && i < count; i += place.rows) {
    const std::int64_t h = down.begin + i / width, w = right.begin + i % width;
    const auto v = load_floats<vector>(x + ((sample * s.height + h) * s.width + w) * channels + place.channel);
    for (int k = 0; k < vector; ++k) sum[k] += v.v[k];
  }
  sum_rows(sums, columns, sum);
  if (place.row != 0 || !inside) return;
  Floats<vector> mean;
  for (int k = 0; k < vector; ++k) mean.v[k] = sum[k] / elements(down, right);
  store_floats(y + window * channels + place.channel, mean);
}

template <class T>
struct AdaptiveBackward {
  AdaptivePoolShape s;
  std::int64_t channels;
  const T* dy;
  T* dx;
  bool accumulate;
  template <int N>
  __device__ void at(const PixelPlace& p) const {
    const AdaptiveWindow down = adaptive_window(p.row, s.out_height, s.height),
                         right = adaptive_window(p.column, s.out_width, s.width);
    Floats<N> sum{};
    for (std::int64_t i = down.begin; i < down.end; ++i)
      for (std::int64_t j = right.begin; j < right.end; ++j) {
        const auto v = load_floats<N>(dy + ((p.sample * s.out_height + i) * s.out_width + j) * channels + p.channel);
        const float count =
            elements(adaptive_window(i, s.height, s.out_height), adaptive_window(j, s.width, s.out_width));
        for (int k = 0; k < N; ++k) sum.v[k] += v.v[k] / count;
      }
    put_floats(dx + p.at, sum, accumulate);
  }
};

}  // namespace

template <class T>
void adaptive_average_pool2d(const Launch& launch, const AdaptivePoolShape& shape, std::int64_t channels, const T* x,
                             T* y) {
  if (shape.planes == 0) return;
  with_channel_vector<T>(channels, [&](auto n) {
    constexpr int vector = decltype(n)::value;
    const ColumnTiles tiles(channels, vector);
    const auto windows = static_cast<unsigned>(shape.planes / channels * shape.out_height * shape.out_width);
    simt::launch<ColumnSums<vector>>(adaptive_average<T, vector>, {windows, tiles.tiles, 1}, {kColumnThreads, 1, 1},
                                     launch.stream, shape, channels, tiles.columns, x, y);
  });
}

template <class T>
void adaptive_average_pool2d_backward(const Launch& launch, const AdaptivePoolShape& shape, std::int64_t channels,
                                      const T* dy, T* dx, bool accumulate) {
  if (shape.planes == 0) return;
  with_channel_vector<T>(channels, [&](auto n) {
    constexpr int vector = decltype(n)::value;
    launch_each_pixel<vector>(launch.stream,
                              PixelGrid(shape.planes / channels, shape.height, shape.width, channels, vector),
                              AdaptiveBackward<T>{shape, channels, dy, dx, accumulate});
  });
}

#define BSG_INSTANTIATE(T)                                                                                           \
  template void adaptive_average_pool2d<T>(const Launch&, const AdaptivePoolShape&, std::int64_t, const T*, T*);     \
  template void adaptive_average_pool2d_backward<T>(const Launch&, const AdaptivePoolShape&, std::int64_t, const T*, \
                                                    T*, bool);
BSG_INSTANTIATE(float)
BSG_INSTANTIATE(simt::bfloat16)
#undef BSG_INSTANTIATE

}  // namespace bsg::kernels::device
