#include <algorithm>

#include "kernels/common/vectors_device.hpp"
#include "kernels/layout/layout_device.hpp"
#include "kernels/simt/simt.hpp"

namespace bsg::kernels::device {
namespace {

template <class From, class To>
struct Convert {
  const From* from;
  To* to;
  template <int N>
  __device__ void at(std::int64_t i) const {
    store_floats(to + i, load_floats<N>(from + i));
  }
};

constexpr unsigned kTile = 32, kTileRows = 8;

struct TileStorage {
  float v[kTile][kTile + 1];  // one more, so that a column is in 32 banks
};

// Blocks of kTile x kTileRows threads; block x is a tile of columns and rows, y counts batches.
template <class From, class To>
__global__ void __launch_bounds__(kTile* kTileRows)
    turn_tiles(std::int64_t batch, std::int64_t rows, std::int64_t columns, unsigned column_tiles, const From* from,
               To* to) {
  auto& s = simt::shared<TileStorage>();
  const std::int64_t first_row = static_cast<std::int64_t>(simt::block().x / column_tiles) * kTile;
  const std::int64_t first_column = static_cast<std::int64_t>(simt::block().x % column_tiles) * kTile;
  const unsigned x = simt::thread().x, y = simt::thread().y;
  for (std::int64_t b = simt::block().y; b < batch; b += simt::grid_size().y) {
    const std::int64_t base = b * rows * columns;
    for (unsigned i = y; i < kTile; i += kTileRows)
      if (first_row + i < rows && first_column + x < columns)
        s.v[i][x] = widen(from[base + (first_row + i) * columns + first_column + x]);
    simt::sync_block();
    for (unsigned i = y; i < kTile; i += kTileRows)
      if (first_column + i < columns && first_row + x < rows)
        to[base + (first_column + i) * rows + first_row + x] = narrow<To>(s.v[x][i]);
    simt::sync_block();
  }
}

}  // namespace

template <class From, class To>
void convert(const Launch& launch, std::int64_t count, const From* from, To* to) {
  constexpr int kWidth = std::max(kVector<From>, kVector<To>);
  launch_each_element<kWidth>(launch.stream, count, aligned(from) && aligned(to), Convert<From, To>{from, to});
}

template <class From, class To>
void transpose(const Launch& launch, std::int64_t batch, std::int64_t rows, std::int64_t columns, const From* from,
               To* to) {
  const auto tiles = [](std::int64_t extent) { return static_cast<unsigned>((extent + kTile - 1) / kTile); };
  simt::launch<TileStorage>(turn_tiles<From, To>,
                            {tiles(rows) * tiles(columns), static_cast<unsigned>(std::min<std::int64_t>(batch, 32768))},
                            {kTile, kTileRows}, launch.stream, batch, rows, columns, tiles(columns), from, to);
}

#define BSG_INSTANTIATE(From, To)                                                 \
  template void convert<From, To>(const Launch&, std::int64_t, const From*, To*); \
  template void transpose<From, To>(const Launch&, std::int64_t, std::int64_t, std::int64_t, const From*, To*);
BSG_INSTANTIATE(float, float)
BSG_INSTANTIATE(float, simt::bfloat16)
BSG_INSTANTIATE(simt::bfloat16, float)
BSG_INSTANTIATE(simt::bfloat16, simt::bfloat16)
#undef BSG_INSTANTIATE

}  // namespace bsg::kernels::device
