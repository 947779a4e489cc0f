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

#include <cstdint>

#include "kernels/common/launch.hpp"
#include "kernels/simt/simt.hpp"

namespace bsg::kernels::device::tiled {

using std::int64_t;

inline constexpr unsigned kTile = 64;      // rows and columns of a block's part of the product
inline constexpr unsigned kDepth = 16;     // of a step through the summed index
inline constexpr unsigned kThreads = 256;  // 16 x 16, each 4 x 4 elements
inline constexpr unsigned kElements = kTile * kDepth / kThreads;

// One element more in a row: threads that store along the depth would all meet in one bank.
struct Tiles {
  float a[kDepth][kTile + 1];
  float b[kDepth][kTile + 1];
};

// Which elements of a tile a thread loads: threads that follow each other take neighbours in memory.
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
};

// Block (x, y, z): tile x of the rows, tile y of the columns, part z of the summed index, `part` elements long.
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

  typename Problem::Row rows[kElements];
  typename Problem::Column columns[kElements];
#pragma unroll
  for (unsigned i = 0; i < kElements; ++i) {
    rows[i] = problem.row(first_row + RowLoads::line(i));
    columns[i] = problem.column(first_column + ColumnLoads::line(i));
  }

  const unsigned my_row = simt::thread().x / 16 * 4, my_column = simt::thread().x % 16 * 4;
  float sum[4][4] = {};
  for (int64_t k = begin; k < end; k += kDepth) {
#pragma unroll
    for (unsigned i = 0; i < kElements; ++i) {
      const int64_t ka = k + RowLoads::depth(i), kb = k + ColumnLoads::depth(i);
      tiles.a[RowLoads::depth(i)][RowLoads::line(i)] = ka < end ? problem.a(rows[i], ka) : 0;
      tiles.b[ColumnLoads::depth(i)][ColumnLoads::line(i)] = kb < end ? problem.b(columns[i], kb) : 0;
    }
    simt::sync_block();
#pragma unroll
    for (unsigned d = 0; d < kDepth; ++d) {
      float a[4], b[4];
#pragma unroll
      for (unsigned i = 0; i < 4; ++i) {
        a[i] = tiles.a[d][my_row + i];
        b[i] = tiles.b[d][my_column + i];
      }
#pragma unroll
      for (unsigned i = 0; i < 4; ++i)
#pragma unroll
        for (unsigned j = 0; j < 4; ++j) sum[i][j] += a[i] * b[j];
    }
    simt::sync_block();
  }
#pragma unroll
  for (unsigned i = 0; i < 4; ++i)
#pragma unroll
    for (unsigned j = 0; j < 4; ++j) {
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
