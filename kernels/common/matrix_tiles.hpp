// A tiled matrix product on the matrix units: bf16, or floats rounded to tf32, summed in float. How a block keeps tiles
// of the operands in shared storage, feeds them to the products and has the next ones copied meanwhile; where elements
// come from and where sums go is the kernel's business.
//
// A block multiplies 128 lines of the left operand by kColumns lines of the right one, kTileDepth of the summed index
// at a time. Each of its four warps has 32 of the left lines, as two matrices of 16, and all of the right ones, as
// matrices of 8. Every sum runs through the depth in ascending order, so it has the same bits every time.
#pragma once

#include "kernels/simt/simt.hpp"

namespace bsg::kernels::device {

// sums += left * right, of 16 x 8 elements.
template <class T>
__device__ __forceinline__ void multiply_matrices(float (&sums)[4], const unsigned (&left)[4],
                                                  const unsigned (&right)[2]) {
  if constexpr (sizeof(T) == 2)
    simt::mma_m16n8k16_bf16(sums, left, right, sums);
  else
    simt::mma_m16n8k8_tf32(sums, left, right, sums);
}

namespace matrix_tiles {

inline constexpr int kWarps = 4, kThreads = 32 * kWarps, kLeftLines = 32 * kWarps;
inline constexpr int kStages = 3;

template <class T>
inline constexpr int kPiece = 16 / static_cast<int>(sizeof(T));  // elements that one copy brings
template <class T>
inline constexpr int kStepDepth = 2 * kPiece<T>;  // of one product
template <class T>
inline constexpr int kTileDepth = 2 * kStepDepth<T>;

// A tile of one operand in shared storage: a row for each line where the operand's elements lie along the depth in
// memory, else a row for each depth, of all lines. Rows are padded so that the loads below find their parts in
// different banks.
template <class T, bool kAlongDepth, int kLines>
struct alignas(16) Tile {
  static constexpr int kRows = kAlongDepth ? kLines : kTileDepth<T>;
  static constexpr int kPieces = (kAlongDepth ? kTileDepth<T> : kLines) / kPiece<T>;  // of a row
  static constexpr int kPitch = kPieces * 16 + (kAlongDepth || sizeof(T) == 2 ? 16 : 32);
  // Which pieces a thread brings: the same one of every kRowsAtOnce-th row.
  static constexpr int kRowsAtOnce = kThreads / kPieces;
  static constexpr int kCopies = kRows > kRowsAtOnce ? kRows / kRowsAtOnce : 1;
  static_assert(kThreads % kPieces == 0 && (kRows % kRowsAtOnce == 0 || kRows < kRowsAtOnce));

  static __device__ int piece() { return static_cast<int>(simt::thread().x) % kPieces; }
  static __device__ int first_row() { return static_cast<int>(simt::thread().x) / kPieces; }
  // Whether the thread brings anything.
  static __device__ bool loads() { return kRows >= kRowsAtOnce || first_row() < kRows; }

  // Where a thread's copy i goes.
  __device__ void* place(int i) { return bytes + (first_row() + i * kRowsAtOnce) * kPitch + piece() * 16; }
  __device__ const unsigned char* at(int row, int byte) const { return bytes + row * kPitch + byte; }
  // The bits of an element of a tile of rows of depths, as tf32.
  __device__ unsigned tf32(int depth, int line) const {
    return simt::to_tf32(*reinterpret_cast<const float*>(at(depth, line * 4)));
  }

  unsigned char bytes[kRows * kPitch];
};

template <class T, int kCount>
__device__ __forceinline__ void round_to_tf32(unsigned (&elements)[kCount]) {
  if constexpr (sizeof(T) == 4) {
#pragma unroll
    for (unsigned& element : elements) element = simt::to_tf32(simt::float_of(element));
  }
}

// Lines [line, line + 16) of a step of the depth: the product's left operand.
template <class T, bool kAlongDepth, int kLines>
__device__ __forceinline__ void load_left(unsigned (&a)[4], const Tile<T, kAlongDepth, kLines>& tile, int line,
                                          int step) {
  const int lane = static_cast<int>(simt::lane());
  if constexpr (kAlongDepth) {
    simt::load_matrix_x4(a, tile.at(line + (lane & 15), step * 32 + (lane >> 4) * 16));
    round_to_tf32<T>(a);
  } else if constexpr (sizeof(T) == 2) {
    const int depth = step * 16 + (lane >> 4) * 8 + (lane & 7);
    simt::load_matrix_x4_transposed(a, tile.at(depth, (line + ((lane >> 3) & 1) * 8) * 2));
  } else {
    // There is no transposing load of 4 bytes.
    const int row = line + (lane >> 2), depth = step * 8 + (lane & 3);
    a[0] = tile.tf32(depth, row), a[1] = tile.tf32(depth, row + 8);
    a[2] = tile.tf32(depth + 4, row), a[3] = tile.tf32(depth + 4, row + 8);
  }
}

// Lines [line, line + 8) of a step of the depth, and [line + 8, line + 16): two right operands.
template <class T, bool kAlongDepth, int kLines>
__device__ __forceinline__ void load_right(unsigned (&b)[2][2], const Tile<T, kAlongDepth, kLines>& tile, int line,
                                           int step) {
  const int lane = static_cast<int>(simt::lane());
  unsigned r[4];
  if constexpr (kAlongDepth) {
    simt::load_matrix_x4(r, tile.at(line + (lane & 7) + (lane >> 4) * 8, step * 32 + ((lane >> 3) & 1) * 16));
    round_to_tf32<T>(r);
  } else if constexpr (sizeof(T) == 2) {
    simt::load_matrix_x4_transposed(r, tile.at(step * 16 + (lane & 15), (line + (lane >> 4) * 8) * 2));
  } else {
    const int column = line + (lane >> 2), depth = step * 8 + (lane & 3);
    r[0] = tile.tf32(depth, column), r[1] = tile.tf32(depth + 4, column);
    r[2] = tile.tf32(depth, column + 8), r[3] = tile.tf32(depth + 4, column + 8);
  }
  b[0][0] = r[0], b[0][1] = r[1], b[1][0] = r[2], b[1][1] = r[3];
}

// Sums of a warp's 32 x kColumns elements as the products leave them.
template <int kColumns>
using Sums = float[2][kColumns / 8][4];

// Where sums of 16 lines are turned into rows, a warp's own.
template <int kColumns>
struct alignas(16) Panel {
  float rows[16][kColumns + 8];
};

template <class T, bool kLeftAlongDepth, bool kRightAlongDepth, int kColumns>
struct Storage {
  using Left = Tile<T, kLeftAlongDepth, kLeftLines>;
  using Right = Tile<T, kRightAlongDepth, kColumns>;
  struct Stage {
    Left left;
    Right right;
  };
  union {
    Stage stages[kStages];
    Panel<kColumns> panels[kWarps];  // once all products are done
  };
};

// Adds the products of `steps` tile depths to sums. load(left, right) copies the next tiles, asynchronously, each time
// in order of the depth. A warp that is not active, since none of its lines exist, loads but does not multiply. All
// threads call it; the storage may be used again when it returns.
template <class T, bool kLeftAlongDepth, bool kRightAlongDepth, int kColumns, class Load>
__device__ __forceinline__ void multiply_tiles(Storage<T, kLeftAlongDepth, kRightAlongDepth, kColumns>& storage,
                                               int steps, bool active, const Load& load, Sums<kColumns>& sums) {
  static_assert(kColumns % 16 == 0);
#pragma unroll
  for (int stage = 0; stage < kStages - 1; ++stage) {
    if (stage < steps) load(storage.stages[stage].left, storage.stages[stage].right);
    simt::commit_copies();
  }
  int now = 0, ahead = kStages - 1;
#pragma unroll 1
  for (int step = 0; step < steps; ++step) {
    simt::wait_copies<kStages - 2>();
    simt::sync_block();
    if (step + kStages - 1 < steps) load(storage.stages[ahead].left, storage.stages[ahead].right);
    simt::commit_copies();
    const auto& stage = storage.stages[now];
    now = now + 1 == kStages ? 0 : now + 1;
    ahead = ahead + 1 == kStages ? 0 : ahead + 1;
    if (!active) continue;
#pragma unroll
    for (int inner = 0; inner < kTileDepth<T> / kStepDepth<T>; ++inner) {
      unsigned a[2][4];
#pragma unroll
      for (int m = 0; m < 2; ++m) load_left(a[m], stage.left, static_cast<int>(simt::warp()) * 32 + m * 16, inner);
#pragma unroll
      for (int j = 0; j < kColumns / 8; j += 2) {
        unsigned b[2][2];
        load_right(b, stage.right, j * 8, inner);
#pragma unroll
        for (int m = 0; m < 2; ++m) {
          multiply_matrices<T>(sums[m][j], a[m], b[0]);
          multiply_matrices<T>(sums[m][j + 1], a[m], b[1]);
        }
      }
    }
  }
  simt::wait_copies<0>();
  simt::sync_block();
}

// Calls store(line of the warp, column, pointer to kPiece sums in a row) for all that the warp has, 16 bytes of T at a
// time: neighbouring lanes have neighbouring columns.
template <class T, int kColumns, class Store>
__device__ __forceinline__ void store_rows(const Sums<kColumns>& sums, Panel<kColumns>& panel, const Store& store) {
  const int lane = static_cast<int>(simt::lane());
  constexpr int kPieces = kColumns / kPiece<T>;
#pragma unroll
  for (int m = 0; m < 2; ++m) {
    const int row = lane >> 2, column = (lane & 3) * 2;
#pragma unroll
    for (int j = 0; j < kColumns / 8; ++j) {
      simt::store(&panel.rows[row][j * 8 + column], simt::Pack<float, 2>{sums[m][j][0], sums[m][j][1]});
      simt::store(&panel.rows[row + 8][j * 8 + column], simt::Pack<float, 2>{sums[m][j][2], sums[m][j][3]});
    }
    simt::sync_warp();
#pragma unroll 1
    for (int i = lane; i < 16 * kPieces; i += 32) {
      const int first = i % kPieces * kPiece<T>;
      store(m * 16 + i / kPieces, first, &panel.rows[i / kPieces][first]);
    }
    simt::sync_warp();
  }
}

}  // namespace matrix_tiles
}  // namespace bsg::kernels::device
