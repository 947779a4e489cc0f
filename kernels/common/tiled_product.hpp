// A tiled matrix product whose operands are gathered while they are loaded, in f32 by fused multiply-adds: what dense
// layers and convolutions (as implicit GEMM) are made of where no vendor library is at hand. Each element's sum runs
// through the depth in ascending order, so it has the same bits every time.
//
// A Problem says where an element lies:
//   Row, Column                          what is worked out once for a row or a column
//   kRowsLieAlongDepth, kColumns...      whether neighbours along the depth are neighbours in memory
//   rows(), columns(), depth()           extents
//   row(m), column(n)                    for m and n beyond the extents too: such elements are zero
//   a(row, k), b(column, k)              the operands, k < depth()
//   store(m, n, part, sum)               inside the extents
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/common/launch.hpp"
#include "kernels/simt/simt.hpp"

namespace bsg::kernels::device::tiled {

using std::int64_t;

inline constexpr unsigned kTile = 64;      // rows and columns of a block's part of the product
inline constexpr unsigned kDepth = 16;     // of a step through the summed index
inline constexpr unsigned kThreads = 256;  // 16 x 16, each 4 x 4 elements
inline constexpr unsigned kEach = 4;
inline constexpr unsigned kLoads = kTile * kDepth / kThreads;

// A row of 16 bytes more than a tile, so that neighbouring depths are in different banks.
using Tile = float[kDepth][kTile + 4];
struct Tiles {
  alignas(16) Tile a;
  alignas(16) Tile b;
};

// Which elements of a tile a thread brings: threads that follow each other take neighbours in memory.
template <bool kAlongDepth>
struct Loads {
  static __device__ unsigned depth(unsigned i) {
    const unsigned e = simt::thread().x + i * kThreads;
    return kAlongDepth ? e % kDepth : e / kTile;
  }
  static __device__ unsigned line(unsigned i) {
    const unsigned e = simt::thread().x + i * kThreads;
    return kAlongDepth ? e / kDepth : e % kTile;
  }
  static __device__ void put(const float (&values)[kLoads], Tile& tile) {
    for (unsigned i = 0; i < kLoads; ++i) tile[depth(i)][line(i)] = values[i];
  }
};

// Block (x, y, z): tile x of the rows, tile y of the columns, part z of the summed index, `part` elements long. The
// next step's elements are on their way into registers while this one's are multiplied.
template <class Problem>
__global__ void __launch_bounds__(kThreads) tiled_product(const Problem problem, const int64_t part) {
  static_assert(kTile * kDepth % kThreads == 0 && kThreads % kTile == 0 && kThreads % kDepth == 0);
  using RowLoads = Loads<Problem::kRowsLieAlongDepth>;
  using ColumnLoads = Loads<Problem::kColumnsLieAlongDepth>;
  Tiles& tiles = simt::shared<Tiles>();
  const int64_t first_row = static_cast<int64_t>(simt::block().x) * kTile;
  const int64_t first_column = static_cast<int64_t>(simt::block().y) * kTile;
  const int64_t begin = simt::block().z * part;
  const int64_t end = begin + part < problem.depth() ? begin + part : problem.depth();

  typename Problem::Row rows[kLoads];
  typename Problem::Column columns[kLoads];
#pragma unroll
  for (unsigned i = 0; i < kLoads; ++i) {
    rows[i] = problem.row(first_row + RowLoads::line(i));
    columns[i] = problem.column(first_column + ColumnLoads::line(i));
  }
  float a[kLoads], b[kLoads];
  const auto load = [&](int64_t k) {
#pragma unroll
    for (unsigned i = 0; i < kLoads; ++i) {
      const int64_t ka = k + RowLoads::depth(i), kb = k + ColumnLoads::depth(i);
      a[i] = ka < end ? problem.a(rows[i], ka) : 0;
      b[i] = kb < end ? problem.b(columns[i], kb) : 0;
    }
  };

  const unsigned my_row = simt::thread().x / (kTile / kEach) * kEach;
  const unsigned my_column = simt::thread().x % (kTile / kEach) * kEach;
  float sum[kEach][kEach] = {};
  load(begin);
  for (int64_t k = begin; k < end; k += kDepth) {
    RowLoads::put(a, tiles.a);
    ColumnLoads::put(b, tiles.b);
    simt::sync_block();
    if (k + kDepth < end) load(k + kDepth);
#pragma unroll
    for (unsigned d = 0; d < kDepth; ++d) {
      const auto left = simt::load<kEach>(&tiles.a[d][my_row]), right = simt::load<kEach>(&tiles.b[d][my_column]);
      for (unsigned i = 0; i < kEach; ++i)
        for (unsigned j = 0; j < kEach; ++j) sum[i][j] = std::fma(left.v[i], right.v[j], sum[i][j]);
    }
    simt::sync_block();
  }
#pragma unroll
  for (unsigned i = 0; i < kEach; ++i)
#pragma unroll
    for (unsigned j = 0; j < kEach; ++j) {
      const int64_t m = first_row + my_row + i, n = first_column + my_column + j;
      if (m < problem.rows() && n < problem.columns()) problem.store(m, n, simt::block().z, sum[i][j]);
    }
}

// The depth is cut into `parts`; with more than one, store receives a sum for each.
template <class Problem>
void launch_product(const Launch& launch, const Problem& problem, int64_t rows, int64_t columns, int64_t depth,
                    int64_t parts) {
  const auto tiles = [](int64_t extent) { return static_cast<unsigned>((extent + kTile - 1) / kTile); };
  const int64_t part = ((depth + parts - 1) / parts + kDepth - 1) / kDepth * kDepth;
  simt::launch<Tiles>(tiled_product<Problem>, {tiles(rows), tiles(columns), static_cast<unsigned>(parts)},
                      {kThreads, 1, 1}, launch.stream, problem, part);
}

}  // namespace bsg::kernels::device::tiled
