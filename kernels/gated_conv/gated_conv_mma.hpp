// Internal to this family: gated convolution on the matrix units, bf16 or tf32 by T. A warp multiplies 32 positions
// (two matrices of 16 rows) by up to 64 slots (matrices of 8 columns), a channel step at a time: 16 channels of bf16, 8
// of tf32, 32 bytes of a pixel in both, so that all but the product itself is one code.
#pragma once

#include "kernels/common/matrix_tiles.hpp"
#include "kernels/gated_conv/gated_conv_kernels.hpp"
#include "kernels/gated_conv/gated_conv_open.hpp"

namespace bsg::kernels::device {

// Operands of slots [8 j, 8 j + 16) for channel step k of a stage: w[0] the lower eight's, w[1] the upper's.
template <class T, GatedSides kSides>
__device__ __forceinline__ void load_weights(unsigned (&w)[2][2], const unsigned char* stage, int k, int j) {
  const int lane = static_cast<int>(simt::lane());
  if constexpr (kSides != GatedSides::inputs) {
    // Rows of 8 slots x pieces 2k, 2k + 1; lanes of a quarter give the addresses of one matrix.
    const int row = j * 8 + (lane & 7) + ((lane >> 4) << 3), piece = 2 * k + ((lane >> 3) & 1);
    unsigned r[4];
    simt::load_matrix_x4(r, stage + row * conv_block::kPixelBytes + ((piece ^ (lane & 7)) << 4));
    w[0][0] = r[0], w[0][1] = r[1], w[1][0] = r[2], w[1][1] = r[3];
  } else if constexpr (sizeof(T) == 2) {
    // Rows of 16 inputs x pieces j, j + 1 of 8 slots, transposed on the way.
    const int row = 16 * k + (lane & 15), piece = j + (lane >> 4);
    unsigned r[4];
    simt::load_matrix_x4_transposed(r, stage + row * conv_block::kPixelBytes + ((piece ^ (lane & 7)) << 4));
    w[0][0] = r[0], w[0][1] = r[1], w[1][0] = r[2], w[1][1] = r[3];
  } else {
    // There is no transposing load of 4 bytes. Element [input t or t + 4][slot g] of rows of 16 pieces.
    const int slot = lane >> 2, input = lane & 3;
#pragma unroll
    for (int upper = 0; upper < 2; ++upper)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int row = 8 * k + 4 * half + input, piece = (j + upper) * 2 + (slot >> 2);
        w[upper][half] = simt::bits_of(
            *reinterpret_cast<const float*>(stage + (row * 16 + (piece ^ (input << 1))) * 16 + (slot & 3) * 4));
      }
  }
}

template <class T, GatedSides kSides, int kOutputs>
__device__ void run_mma(const ConvParameters& p, const ConvBlock& b, conv_block::Storage& shared,
                        const conv_block::Tail& tail) {
  constexpr int kSteps = ConvElement<T>::kChunk / ConvElement<T>::kStep;
  constexpr int kMatrices = kOutputs / 8;
  static_assert(kOutputs % 16 == 0 && kOutputs <= conv_block::kChannels && kSteps == 4);
  const int lane = static_cast<int>(simt::lane()), warp = static_cast<int>(simt::warp());
  const bool active = warp_has_positions(p, b);
  float sums[2][kMatrices][4];
#pragma unroll
  for (int m = 0; m < 2; ++m) {
#pragma unroll
    for (int j = 0; j < kMatrices; ++j)
#pragma unroll
      for (int e = 0; e < 4; ++e) sums[m][j][e] = 0;
  }

  multiply_steps<T, kSides, kOutputs>(
      p, b, shared, tail, [&](const unsigned char* tile, int offset, const unsigned char* weights, int steps) {
        if (!active) return;
        int rows[2];  // of the tile, whose addresses this lane gives
#pragma unroll
        for (int m = 0; m < 2; ++m)
          rows[m] = conv_block::turned_row(shared.pixel[warp * 32 + m * 16 + (lane & 15)] + offset);
#pragma unroll
        for (int k = 0; k < kSteps; ++k) {
          if (k >= steps) break;
          unsigned x[2][4];  // [16 positions][channel step], operand A
#pragma unroll
          for (int m = 0; m < 2; ++m) {
            simt::load_matrix_x4(x[m], tile + (rows[m] ^ ((2 * k + (lane >> 4)) << 4)));
            if constexpr (sizeof(T) == 4) {
#pragma unroll
              for (int e = 0; e < 4; ++e) x[m][e] = simt::to_tf32(simt::float_of(x[m][e]));
            }
          }
#pragma unroll
          for (int j = 0; j < kMatrices; j += 2) {
            unsigned w[2][2];  // [8 slots][half of the channel step], operand B
            load_weights<T, kSides>(w, weights, k, j);
#pragma unroll
            for (int m = 0; m < 2; ++m) {
              multiply_matrices<T>(sums[m][j], x[m], w[0]);
              multiply_matrices<T>(sums[m][j + 1], x[m], w[1]);
            }
          }
        }
      });

  store_sums<T, kSides, kOutputs>(
      p, b, shared, tail, [&](int half, float(&panel)[conv_block::kPanelRows][conv_block::kPanelPitch]) {
        const int row = lane >> 2, column = (lane & 3) * 2;
#pragma unroll
        for (int j = 0; j < kMatrices; ++j) {
          simt::store(&panel[row][j * 8 + column], simt::Pack<float, 2>{sums[half][j][0], sums[half][j][1]});
          simt::store(&panel[row + 8][j * 8 + column], simt::Pack<float, 2>{sums[half][j][2], sums[half][j][3]});
        }
      });
}

template <class T, GatedSides kSides>
__global__ void __launch_bounds__(conv_block::kThreads, 2) gated_conv_mma(const ConvParameters p) {
  auto& shared = simt::shared<conv_block::Storage>();
  const conv_block::Tail tail{simt::shared_tail<conv_block::Storage>()};
  if (!open_block<T>(p, shared)) return;
  const ConvBlock& b = shared.block;
  if (b.slots <= 16)
    run_mma<T, kSides, 16>(p, b, shared, tail);
  else if (b.slots <= 32)
    run_mma<T, kSides, 32>(p, b, shared, tail);
  else if (b.slots <= 48)
    run_mma<T, kSides, 48>(p, b, shared, tail);
  else
    run_mma<T, kSides, 64>(p, b, shared, tail);
}

template <class T>
void launch_gated_conv_mma(const ConvLaunch& launch, const ConvParameters& p) {
  with_sides(launch.sides, [&](auto sides) {
    simt::launch_with_tail<conv_block::Storage>(launch.tail_bytes, gated_conv_mma<T, decltype(sides)::value>,
                                                {launch.blocks}, {launch.threads}, launch.stream, p);
  });
}

}  // namespace bsg::kernels::device
