// Kernels that treat every channel of every sample by one number, on channels-last activations.
#include <type_traits>

#include "kernels/common/columns_device.hpp"
#include "kernels/common/vectors_device.hpp"
#include "kernels/elementwise/elementwise_device.hpp"
#include "kernels/simt/simt.hpp"

namespace bsg::kernels::device {
namespace {

// A block's share of the pixels: `parts` blocks follow each other along a sample.
struct Walk {
  ChannelsLastShape shape;
  unsigned columns;
  unsigned parts;
};

// Pixels that one row of threads walks, at least, before another block is worth its start.
constexpr std::int64_t kPixelsPerRow = 4;

enum class Broadcast { scale, mask, fill };

template <Broadcast operation, class T, int vector>
__global__ void __launch_bounds__(kColumnThreads)
    broadcast_channels(Walk walk, const T* x, const float* value, float factor, T* y, bool accumulate) {
  const ColumnPlace place(walk.columns, simt::block().y, vector);
  const std::int64_t channels = walk.shape.channels;
  if (place.channel >= channels) return;
  const std::int64_t sample = simt::block().x / walk.parts;
  auto number = load_floats<vector>(value + sample * channels + place.channel);
  for (int k = 0; k < vector; ++k) number.v[k] *= factor;
  for (std::int64_t pixel = static_cast<std::int64_t>(simt::block().x % walk.parts) * place.rows + place.row;
       pixel < walk.shape.plane; pixel += static_cast<std::int64_t>(walk.parts) * place.rows) {
    const std::int64_t at = (sample * walk.shape.plane + pixel) * channels + place.channel;
    Floats<vector> v = number;
    if constexpr (operation != Broadcast::fill) {
      v = load_floats<vector>(x + at);
      for (int k = 0; k < vector; ++k) {
        if constexpr (operation == Broadcast::scale) v.v[k] *= number.v[k];
        if constexpr (operation == Broadcast::mask) v.v[k] = number.v[k] != 0 ? v.v[k] : 0;
      }
    }
    put_floats(y + at, v, accumulate);
  }
}

// One block a sample and tile. b null: the sum of a itself.
template <class T, int vector>
__global__ void __launch_bounds__(kColumnThreads)
    reduce_channels(Walk walk, const T* a, const T* b, float factor, float* result, bool accumulate) {
  auto& sums = simt::shared<ColumnSums<vector>>();
  const ColumnPlace place(walk.columns, simt::block().y, vector);
  const std::int64_t channels = walk.shape.channels, sample = simt::block().x;
  const bool inside = place.channel < channels;
  float sum[vector] = {};
  for (std::int64_t pixel = place.row; inside && pixel < walk.shape.plane; pixel += place.rows) {
    const std::int64_t at = (sample * walk.shape.plane + pixel) * channels + place.channel;
    const auto v = load_floats<vector>(a + at);
    if (b == nullptr) {
      for (int k = 0; k < vector; ++k) sum[k] += v.v[k];
    } else {
      const auto w = load_floats<vector>(b + at);
      for (int k = 0; k < vector; ++k) sum[k] += v.v[k] * w.v[k];
    }
  }
  sum_rows(sums, walk.columns, sum);
  if (place.row != 0 || !inside) return;
  for (int k = 0; k < vector; ++k) {
    float& to = result[sample * channels + place.channel + k];
    to = accumulate ? to + sum[k] * factor : sum[k] * factor;
  }
}

template <Broadcast operation, class T>
void broadcast(const Launch& launch, const ChannelsLastShape& shape, const T* x, const float* value, double factor,
               T* y, bool accumulate) {
  with_channel_vector<T>(shape.channels, [&](auto n) {
    constexpr int vector = decltype(n)::value;
    const ColumnTiles tiles(shape.channels, vector);
    const std::int64_t pixels = kColumnThreads / tiles.columns * kPixelsPerRow;
    const auto parts = static_cast<unsigned>((shape.plane + pixels - 1) / pixels);
    simt::launch(broadcast_channels<operation, T, vector>,
                 {static_cast<unsigned>(shape.samples) * parts, tiles.tiles, 1}, {kColumnThreads, 1, 1}, launch.stream,
                 Walk{shape, tiles.columns, parts}, x, value, static_cast<float>(factor), y, accumulate);
  });
}

template <class T>
void reduce(const Launch& launch, const ChannelsLastShape& shape, const T* a, const T* b, double factor, float* result,
            bool accumulate) {
  with_channel_vector<T>(shape.channels, [&](auto n) {
    constexpr int vector = decltype(n)::value;
    const ColumnTiles tiles(shape.channels, vector);
    simt::launch<ColumnSums<vector>>(reduce_channels<T, vector>, {static_cast<unsigned>(shape.samples), tiles.tiles, 1},
                                     {kColumnThreads, 1, 1}, launch.stream, Walk{shape, tiles.columns, 1}, a, b,
                                     static_cast<float>(factor), result, accumulate);
  });
}

}  // namespace

template <class T>
void scale_channels(const Launch& launch, const ChannelsLastShape& shape, const T* x, const float* factor, T* y,
                    bool accumulate) {
  broadcast<Broadcast::scale>(launch, shape, x, factor, 1, y, accumulate);
}

template <class T>
void mask_channels(const Launch& launch, const ChannelsLastShape& shape, const T* x, const float* gate, T* y,
                   bool accumulate) {
  broadcast<Broadcast::mask>(launch, shape, x, gate, 1, y, accumulate);
}

template <class T>
void fill_channels(const Launch& launch, const ChannelsLastShape& shape, const float* value, double factor, T* y,
                   bool accumulate) {
  broadcast<Broadcast::fill, T>(launch, shape, nullptr, value, factor, y, accumulate);
}

template <class T>
void dot_channels(const Launch& launch, const ChannelsLastShape& shape, const T* a, const T* b, float* result,
                  bool accumulate) {
  reduce(launch, shape, a, b, 1, result, accumulate);
}

template <class T>
void sum_channels(const Launch& launch, const ChannelsLastShape& shape, const T* x, double factor, float* result) {
  reduce<T>(launch, shape, x, nullptr, factor, result, false);
}

#define BSG_INSTANTIATE(T)                                                                                    \
  template void scale_channels<T>(const Launch&, const ChannelsLastShape&, const T*, const float*, T*, bool); \
  template void mask_channels<T>(const Launch&, const ChannelsLastShape&, const T*, const float*, T*, bool);  \
  template void fill_channels<T>(const Launch&, const ChannelsLastShape&, const float*, double, T*, bool);    \
  template void dot_channels<T>(const Launch&, const ChannelsLastShape&, const T*, const T*, float*, bool);   \
  template void sum_channels<T>(const Launch&, const ChannelsLastShape&, const T*, double, float*);
BSG_INSTANTIATE(float)
BSG_INSTANTIATE(simt::bfloat16)
#undef BSG_INSTANTIATE

}  // namespace bsg::kernels::device
