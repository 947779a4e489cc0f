// The passes over activations: forward, the two sums of backward, and backward.
#include <cmath>
#include <type_traits>

#include "kernels/batch_norm/batch_norm_device.hpp"
#include "kernels/batch_norm/row_parts.hpp"
#include "kernels/common/last_block.hpp"
#include "kernels/common/vectors_device.hpp"
#include "kernels/simt/simt.hpp"

namespace bsg::kernels::device {
namespace {

// The affine map of a thread's channels: (x - center) * scale + shift. What float loses of the mean goes into the
// shift.
template <int vector>
struct ChannelMap {
  float center[vector], scale[vector], shift[vector];

  template <class T>
  __device__ ChannelMap(const DeviceBatchNormInputs<T>& a, std::int64_t channel) {
    for (int k = 0; k < vector; ++k) {
      const std::int64_t c = channel + k;
      const double exact = static_cast<double>(a.weight[c]) * a.inverse_deviation[c];
      center[k] = static_cast<float>(a.mean[c]);
      scale[k] = static_cast<float>(exact);
      shift[k] = static_cast<float>(static_cast<double>(a.bias[c]) - lost(a.mean[c], k) * exact);
    }
  }
  // What float loses of the mean.
  __device__ double lost(double mean, int k) const { return mean - static_cast<double>(center[k]); }
  __device__ float operator()(float x, int k) const { return std::fma(x - center[k], scale[k], shift[k]); }
};

__device__ __forceinline__ bool passes(float y) { return y > 0 || y != y; }

template <class T, int vector>
__global__ void __launch_bounds__(kColumnThreads)
    normalize(DeviceBatchNormInputs<T> a, unsigned columns, const T* residual, T* y) {
  const ColumnPlace place(columns, simt::block().y, vector);
  if (place.channel >= a.shape.channels) return;
  const ChannelMap<vector> map(a, place.channel);
  for (std::int64_t row = static_cast<std::int64_t>(simt::block().x) * place.rows + place.row; row < a.shape.rows;
       row += static_cast<std::int64_t>(simt::grid_size().x) * place.rows) {
    const std::int64_t at = row * a.shape.channels + place.channel;
    auto v = load_floats<vector>(a.x + at);
    for (int k = 0; k < vector; ++k) v.v[k] = map(v.v[k], k);
    if (residual != nullptr) {
      const auto r = load_floats<vector>(residual + at);
      for (int k = 0; k < vector; ++k) v.v[k] += r.v[k];
    }
    if (a.relu)
      for (int k = 0; k < vector; ++k) v.v[k] = passes(v.v[k]) ? v.v[k] : 0;
    store_floats(y + at, v);
  }
}

// dy behind the ReLU.
template <int vector, class T>
__device__ __forceinline__ Floats<vector> masked_gradient(const DeviceBatchNormBackward<T>& a,
                                                          const ChannelMap<vector>& map, const Floats<vector>& x,
                                                          std::int64_t at) {
  auto g = load_floats<vector>(a.dy + at);
  if (!a.inputs.relu) return g;
  if (a.y != nullptr) {
    const auto y = load_floats<vector>(a.y + at);
    for (int k = 0; k < vector; ++k) g.v[k] = passes(y.v[k]) ? g.v[k] : 0;
  } else {
    // As it was stored: rounding to T may end at 0.
    for (int k = 0; k < vector; ++k) g.v[k] = passes(widen(narrow<T>(map(x.v[k], k)))) ? g.v[k] : 0;
  }
  return g;
}

template <class T, int vector>
__global__ void __launch_bounds__(kColumnThreads)
    sum_gradients(DeviceBatchNormBackward<T> a, RowParts parts, BatchNormScratch scratch) {
  auto& s = simt::shared<ColumnSums<vector>>();
  const ColumnPlace place(parts.columns, simt::block().y, vector);
  const std::int64_t channels = a.inputs.shape.channels, rows = a.inputs.shape.rows, part = simt::block().x;
  const bool inside = place.channel < channels;
  float sum_dy[vector] = {}, sum_dy_x[vector] = {};
  if (inside) {
    const ChannelMap<vector> map(a.inputs, place.channel);
    const std::int64_t end = parts.end(part, rows);
    for (std::int64_t row = parts.begin(part) + place.row; row < end; row += place.rows) {
      const std::int64_t at = row * channels + place.channel;
      const auto x = load_floats<vector>(a.inputs.x + at);
      const auto g = masked_gradient<vector>(a, map, x, at);
      for (int k = 0; k < vector; ++k) {
        sum_dy[k] += g.v[k];
        sum_dy_x[k] = std::fma(g.v[k], x.v[k] - map.center[k], sum_dy_x[k]);
      }
    }
  }
  sum_rows(s, parts.columns, sum_dy);
  simt::sync_block();
  sum_rows(s, parts.columns, sum_dy_x);
  if (place.row == 0 && inside) {
    double* to = scratch.partials + 2 * part * channels + place.channel;
    for (int k = 0; k < vector; ++k) {
      to[k] = static_cast<double>(sum_dy[k]);
      to[channels + k] = static_cast<double>(sum_dy_x[k]);
    }
  }
  if (!last_block(scratch.tickets + simt::block().y, simt::grid_size().x)) return;
  const std::int64_t first = static_cast<std::int64_t>(simt::block().y) * parts.columns * vector;
  for (std::int64_t c = first + simt::thread().x; c < first + parts.columns * vector && c < channels;
       c += kColumnThreads) {
    double dy = 0, dy_x = 0;
    for (std::int64_t p = 0; p < parts.count; ++p) {
      dy += scratch.partials[2 * p * channels + c];
      dy_x += scratch.partials[(2 * p + 1) * channels + c];
    }
    const double mean = a.inputs.mean[c];
    dy_x -= (mean - static_cast<double>(static_cast<float>(mean))) * dy;
    a.sum_dy[c] = dy;
    a.sum_dy_x[c] = dy_x;
    const auto put = [](float* to, double value, bool accumulate) {
      if (to != nullptr) *to = static_cast<float>(accumulate ? static_cast<double>(*to) + value : value);
    };
    put(a.dweight != nullptr ? a.dweight + c : nullptr, a.inputs.inverse_deviation[c] * dy_x, a.accumulate_dweight);
    put(a.dbias != nullptr ? a.dbias + c : nullptr, dy, a.accumulate_dbias);
  }
}

template <class T, int vector>
__global__ void __launch_bounds__(kColumnThreads, 2) differentiate(DeviceBatchNormBackward<T> a, unsigned columns) {
  const ColumnPlace place(columns, simt::block().y, vector);
  const std::int64_t channels = a.inputs.shape.channels, rows = a.inputs.shape.rows;
  if (place.channel >= channels) return;
  const ChannelMap<vector> map(a.inputs, place.channel);
  // dx = scale (g - mean(g) - xhat mean(g xhat)), as an affine map of g and of x - center.
  float slope[vector] = {}, offset[vector] = {};
  if (a.batch_statistics) {
    for (int k = 0; k < vector; ++k) {
      const std::int64_t c = place.channel + k;
      const double inverse = a.inputs.inverse_deviation[c], values = static_cast<double>(rows);
      const double scale = static_cast<double>(a.inputs.weight[c]) * inverse;
      const double exact = -scale * inverse * inverse * a.sum_dy_x[c] / values;
      slope[k] = static_cast<float>(exact);
      offset[k] = static_cast<float>(-scale * a.sum_dy[c] / values - exact * map.lost(a.inputs.mean[c], k));
    }
  }
  for (std::int64_t row = static_cast<std::int64_t>(simt::block().x) * place.rows + place.row; row < rows;
       row += static_cast<std::int64_t>(simt::grid_size().x) * place.rows) {
    const std::int64_t at = row * channels + place.channel;
    const auto x = load_floats<vector>(a.inputs.x + at);
    const auto g = masked_gradient<vector>(a, map, x, at);
    if (a.dresidual != nullptr) put_floats(a.dresidual + at, g, a.accumulate_dresidual);
    if (a.dx == nullptr) continue;
    Floats<vector> dx;
    for (int k = 0; k < vector; ++k) {
      dx.v[k] = g.v[k] * map.scale[k];
      if (a.batch_statistics) dx.v[k] += std::fma(x.v[k] - map.center[k], slope[k], offset[k]);
    }
    put_floats(a.dx + at, dx, a.accumulate_dx);
  }
}

// A thread computes its channels' map once and then walks some rows.
unsigned row_blocks(std::int64_t rows, const ColumnTiles& tiles) {
  const std::int64_t together = kColumnThreads / tiles.columns * 4;
  return static_cast<unsigned>(std::min<std::int64_t>((rows + together - 1) / together, 2048));
}

}  // namespace

template <class T>
void batch_norm_forward(const Launch& launch, const DeviceBatchNormInputs<T>& inputs, const T* residual, T* y) {
  with_channel_vector<T>(inputs.shape.channels, [&](auto n) {
    constexpr int vector = decltype(n)::value;
    const ColumnTiles tiles(inputs.shape.channels, vector);
    simt::launch(normalize<T, vector>, {row_blocks(inputs.shape.rows, tiles), tiles.tiles, 1}, {kColumnThreads, 1, 1},
                 launch.stream, inputs, tiles.columns, residual, y);
  });
}

template <class T>
void batch_norm_reduce(const Launch& launch, const DeviceBatchNormBackward<T>& arguments,
                       const BatchNormScratch& scratch) {
  const BatchNormRows& shape = arguments.inputs.shape;
  with_channel_vector<T>(shape.channels, [&](auto n) {
    constexpr int vector = decltype(n)::value;
    const ColumnTiles tiles(shape.channels, vector);
    const RowParts parts(shape.rows, tiles);
    simt::launch<ColumnSums<vector>>(sum_gradients<T, vector>, {static_cast<unsigned>(parts.count), tiles.tiles, 1},
                                     {kColumnThreads, 1, 1}, launch.stream, arguments, parts, scratch);
  });
}

template <class T>
void batch_norm_backward(const Launch& launch, const DeviceBatchNormBackward<T>& arguments) {
  const BatchNormRows& shape = arguments.inputs.shape;
  with_channel_vector<T>(shape.channels, [&](auto n) {
    constexpr int vector = decltype(n)::value;
    const ColumnTiles tiles(shape.channels, vector);
    simt::launch(differentiate<T, vector>, {row_blocks(shape.rows, tiles), tiles.tiles, 1}, {kColumnThreads, 1, 1},
                 launch.stream, arguments, tiles.columns);
  });
}

#define BSG_INSTANTIATE(T)                                                                                       \
  template void batch_norm_forward<T>(const Launch&, const DeviceBatchNormInputs<T>&, const T*, T*);             \
  template void batch_norm_reduce<T>(const Launch&, const DeviceBatchNormBackward<T>&, const BatchNormScratch&); \
  template void batch_norm_backward<T>(const Launch&, const DeviceBatchNormBackward<T>&);
BSG_INSTANTIATE(float)
BSG_INSTANTIATE(simt::bfloat16)
#undef BSG_INSTANTIATE

}  // namespace bsg::kernels::device
