// How a block of threads covers a channels-last activation, seen as rows (pixels) of channels.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "kernels/simt/simt.hpp"

namespace bsg::kernels::device {

inline constexpr unsigned kColumnThreads = 256;

// `columns` threads lie side by side, each with `vector` neighbouring channels, and kColumnThreads / columns such rows
// of threads lie one below the other. Tiles of that width cover the channels: at most 128 bytes wide, so that all
// threads have work where channels are few.
struct ColumnTiles {
  ColumnTiles(std::int64_t channels, int vector)
      : columns(std::min(vector > 1 ? 8U : 32U, std::bit_ceil(static_cast<unsigned>(
                                                    std::max<std::int64_t>((channels + vector - 1) / vector, 1))))),
        tiles(static_cast<unsigned>((channels + columns * vector - 1) / (columns * vector))) {}
  unsigned columns;  // a power of two
  unsigned tiles;
};

// A thread's place. Its channels are channel to channel + vector - 1, all inside or none.
struct ColumnPlace {
  __device__ ColumnPlace(unsigned columns, unsigned tile, int vector)
      : row(simt::thread().x / columns),
        rows(kColumnThreads / columns),
        channel((static_cast<std::int64_t>(tile) * columns + simt::thread().x % columns) * vector) {}
  unsigned row, rows;
  std::int64_t channel;
};

// Sums of `vector` numbers over a block's rows of threads, by a fixed tree.
template <int vector, class Number = float>
struct ColumnSums {
  Number v[kColumnThreads][vector];
};

// Called by all threads; the sums are right in the threads of row 0. Storage may be used again after a barrier.
template <int vector, class Number>
__device__ void sum_rows(ColumnSums<vector, Number>& storage, unsigned columns, Number (&values)[vector]) {
  const unsigned t = simt::thread().x;
  for (int i = 0; i < vector; ++i) storage.v[t][i] = values[i];
  for (unsigned half = kColumnThreads / 2; half >= columns; half /= 2) {
    simt::sync_block();
    if (t >= half) continue;
    for (int i = 0; i < vector; ++i) {
      values[i] += storage.v[t + half][i];
      storage.v[t][i] = values[i];
    }
  }
}

// Calls function with std::integral_constant<int, n>: n elements of T in 16 bytes where that divides the channels,
// else 1.
template <class T, class Function>
void with_channel_vector(std::int64_t channels, const Function& function) {
  constexpr int kWide = 16 / static_cast<int>(sizeof(T));
  if (channels % kWide == 0) {
    function(std::integral_constant<int, kWide>{});
  } else {
    function(std::integral_constant<int, 1>{});
  }
}

}  // namespace bsg::kernels::device
