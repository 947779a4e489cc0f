// c[m, n] = sum over k of a[m, k] b[k, n]. A block computes 64 x 64 of c, a thread 4 x 4; 16 of k at a time go through
// shared memory, while the next 16 are on their way into registers.
#include <cmath>

#include "kernels/common/columns_device.hpp"
#include "kernels/common/vectors_device.hpp"
#include "kernels/linear/linear_device.hpp"
#include "kernels/simt/simt.hpp"

namespace bsg::kernels::device {
namespace {

constexpr int kThreads = 256, kTile = 64, kDepth = 16, kEach = 4;
constexpr int kLoads = kTile * kDepth / kThreads;  // elements of a tile that a thread brings

// An operand as [outer, depth], where outer is m or n. Either may be the one whose neighbours are adjacent in memory.
struct Operand {
  const float* data;
  std::int64_t outer;  // extent
};

struct Product {
  Operand a, b;
  std::int64_t depth;
  const float* bias;  // [n], or null
  float* c;
  bool accumulate;
};

struct TileStorage {
  // A row of 16 bytes more than a tile, so that neighbouring depths are in different banks.
  alignas(16) float a[kDepth][kTile + 4];
  alignas(16) float b[kDepth][kTile + 4];
};

// One operand's next tile, on its way through registers.
template <bool depth_adjacent>
struct Loader {
  float v[kLoads];

  // Place i of this thread in a tile. Neighbouring threads have neighbouring addresses.
  __device__ static int outer(int t, int i) {
    return depth_adjacent ? t / kDepth + i * (kThreads / kDepth) : t % kTile;
  }
  __device__ static int depth(int t, int i) { return depth_adjacent ? t % kDepth : t / kTile + i * (kThreads / kTile); }

  // Zeros outside the matrix.
  __device__ void load(const Operand& from, std::int64_t depth_extent, std::int64_t first_outer,
                       std::int64_t first_depth, int t) {
    for (int i = 0; i < kLoads; ++i) {
      const std::int64_t o = first_outer + outer(t, i), d = first_depth + depth(t, i);
      const bool inside = o < from.outer && d < depth_extent;
      v[i] = inside ? from.data[depth_adjacent ? o * depth_extent + d : d * from.outer + o] : 0;
    }
  }
  __device__ void put(float (&tile)[kDepth][kTile + 4], int t) const {
    for (int i = 0; i < kLoads; ++i) tile[depth(t, i)][outer(t, i)] = v[i];
  }
};

template <bool a_depth_adjacent, bool b_depth_adjacent>
__global__ void __launch_bounds__(kThreads) multiply_tiles(Product p) {
  auto& s = simt::shared<TileStorage>();
  const int t = static_cast<int>(simt::thread().x), row = t / (kTile / kEach) * kEach,
            column = t % (kTile / kEach) * kEach;
  const std::int64_t first_m = static_cast<std::int64_t>(simt::block().y) * kTile;
  const std::int64_t first_n = static_cast<std::int64_t>(simt::block().x) * kTile;
  float sum[kEach][kEach] = {};
  Loader<a_depth_adjacent> a;
  Loader<b_depth_adjacent> b;
  a.load(p.a, p.depth, first_m, 0, t);
  b.load(p.b, p.depth, first_n, 0, t);
  for (std::int64_t first = 0; first < p.depth; first += kDepth) {
    a.put(s.a, t);
    b.put(s.b, t);
    simt::sync_block();
    if (first + kDepth < p.depth) {
      a.load(p.a, p.depth, first_m, first + kDepth, t);
      b.load(p.b, p.depth, first_n, first + kDepth, t);
    }
    for (int d = 0; d < kDepth; ++d) {
      const auto left = simt::load<kEach>(&s.a[d][row]), right = simt::load<kEach>(&s.b[d][column]);
      for (int i = 0; i < kEach; ++i)
        for (int j = 0; j < kEach; ++j) sum[i][j] = std::fma(left.v[i], right.v[j], sum[i][j]);
    }
    simt::sync_block();
  }
  for (int i = 0; i < kEach; ++i)
    for (int j = 0; j < kEach; ++j) {
      const std::int64_t m = first_m + row + i, n = first_n + column + j;
      if (m >= p.a.outer || n >= p.b.outer) continue;
      float& to = p.c[m * p.b.outer + n];
      const float value = p.bias != nullptr ? sum[i][j] + p.bias[n] : sum[i][j];
      to = p.accumulate ? to + value : value;
    }
}

template <bool a_depth_adjacent, bool b_depth_adjacent>
void multiply(const Launch& launch, const Product& p) {
  const auto tiles = [](std::int64_t extent) { return static_cast<unsigned>((extent + kTile - 1) / kTile); };
  simt::launch<TileStorage>(multiply_tiles<a_depth_adjacent, b_depth_adjacent>, {tiles(p.b.outer), tiles(p.a.outer)},
                            {kThreads}, launch.stream, p);
}

// A block sums its columns over all rows.
__global__ void __launch_bounds__(kColumnThreads) sum_columns(std::int64_t rows, std::int64_t width, unsigned columns,
                                                              const float* from, float* to, bool accumulate) {
  auto& s = simt::shared<ColumnSums<1>>();
  const ColumnPlace place(columns, simt::block().x, 1);
  const bool inside = place.channel < width;
  float sum[1] = {0};
  for (std::int64_t row = place.row; inside && row < rows; row += place.rows)
    sum[0] += from[row * width + place.channel];
  sum_rows(s, columns, sum);
  if (place.row == 0 && inside) to[place.channel] = accumulate ? to[place.channel] + sum[0] : sum[0];
}

}  // namespace

void linear(const Launch& launch, const LinearShape& s, const float* x, const float* weight, const float* bias,
            float* y) {
  multiply<true, true>(launch, {{x, s.rows}, {weight, s.outputs}, s.inputs, bias, y, false});
}

void linear_backward_input(const Launch& launch, const LinearShape& s, const float* weight, const float* dy, float* dx,
                           bool accumulate) {
  multiply<true, false>(launch, {{dy, s.rows}, {weight, s.inputs}, s.outputs, nullptr, dx, accumulate});
}

void linear_backward_weight(const Launch& launch, const LinearShape& s, const float* x, const float* dy, float* dweight,
                            bool accumulate) {
  multiply<false, false>(launch, {{dy, s.outputs}, {x, s.inputs}, s.rows, nullptr, dweight, accumulate});
}

void linear_backward_bias(const Launch& launch, const LinearShape& s, const float* dy, float* dbias, bool accumulate) {
  const ColumnTiles tiles(s.outputs, 1);
  simt::launch<ColumnSums<1>>(sum_columns, {tiles.tiles}, {kColumnThreads}, launch.stream, s.rows, s.outputs,
                              tiles.columns, dy, dbias, accumulate);
}

}  // namespace bsg::kernels::device
