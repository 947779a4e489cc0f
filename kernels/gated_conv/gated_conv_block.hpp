// Internal to this family: what the device kernels share about a block's share of the work and its shared memory.
//
// A block computes, for one sample, up to 256 output positions x up to 64 output channels, 32 positions a warp. It
// walks over chunks of input channels, 128 bytes of each pixel; the chunk's tile, all pixels that the positions'
// windows cover, is loaded once, and each tap reads it at shifted addresses. Weights of one (chunk, tap) are a stage of
// a ring of three.
//   tile      [pixel][8 pieces of 16 bytes]     piece j of pixel p lies at j ^ (p & 7): eight neighbouring pixels'
//   pieces
//                                               are in different banks, whatever the tap
//   weights   rows of outputs: [slot < 64][8 pieces of inputs], piece j of row r at j ^ (r & 7)
//             rows of inputs, 2 bytes: [input < 64][8 pieces of outputs], likewise
//             rows of inputs, 4 bytes: [input < 32][16 pieces of outputs], piece j of row r at j ^ (2 * (r & 3))
// "Slot" is an output channel's place in the sample's list.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/gated_conv/gated_conv_device.hpp"
#include "kernels/simt/simt.hpp"

namespace bsg::kernels::device {

// What a block does.
struct ConvBlock {
  std::int64_t sample;
  std::int32_t part, first_slot;
  std::int32_t active_outputs;  // of the sample
  std::int32_t slots;           // of this block that are active; <= 0: nothing to do
  std::int32_t active_inputs;
  std::int32_t first_row, first_column;      // output pixel of position 0
  std::int32_t valid_rows, valid_columns;    // of the part, inside of y; may be <= 0
  std::int32_t first_x_row, first_x_column;  // input pixel of the tile's first; may be outside of x
};

namespace conv_block {

inline constexpr std::int64_t kPositions = 256;  // at most
inline constexpr int kChannels = 64;             // output channels of a pass
inline constexpr int kWarps = 8;                 // at most
inline constexpr int kThreads = 32 * kWarps;
inline constexpr int kPixelBytes = 128;  // of a chunk of input channels
inline constexpr int kStages = 3;
inline constexpr int kStageBytes = kChannels * kPixelBytes;
inline constexpr std::int64_t kTilePixels = 1024;  // of all buffers: with it a block fits sm_80's 163 KiB
// With these, two blocks fit the 228 KiB of sm_90, of which each takes 1 KiB for the system.
inline constexpr std::int64_t kTilePixelsOfTwo = 681;
inline constexpr int kPanelRows = 16;
inline constexpr int kPanelPitch = kChannels + 8;  // rows 8 banks apart

struct Storage {
  ConvBlock block;                          // here rather than in every thread's registers, which the sums fill
  float scale[kChannels], bias[kChannels];  // by slot
  std::int32_t channel[kChannels];          // by slot
  std::int32_t pixel[kPositions];           // by position: the tile's pixel that its window starts at
  float sums[kWarps][kChannels];
};

static_assert(2 * (simt::kTailOffset<Storage> + kStages * kStageBytes + kTilePixelsOfTwo * kPixelBytes + 1024) <=
              228 * 1024);

// Sums of 16 positions of a warp by [position][slot].
using Panel = float[kPanelRows][kPanelPitch];

// What lies behind Storage: the stages of weights, then the tiles. Once all products are done, each warp's panel takes
// their place.
struct Tail {
  unsigned char* memory;
  __device__ unsigned char* weights(int stage) const { return memory + stage * kStageBytes; }
  __device__ unsigned char* tiles() const { return memory + kStages * kStageBytes; }
  __device__ Panel& panel(int warp) const { return reinterpret_cast<Panel*>(memory)[warp]; }
};
inline std::size_t tail_bytes(const ConvPlan& plan) {
  const std::size_t tiles = static_cast<std::size_t>(plan.tile_rows) * static_cast<std::size_t>(plan.tile_columns) *
                            static_cast<std::size_t>(plan.tile_buffers) * kPixelBytes;
  return std::max(std::size_t{kStages} * kStageBytes + tiles, static_cast<std::size_t>(plan.warps) * sizeof(Panel));
}

// Where piece 0 of a row of eight lies; piece j is at (turned_row(row) ^ (j << 4)).
__device__ inline int turned_row(int row) { return row * kPixelBytes + ((row & 7) << 4); }

}  // namespace conv_block

// The arguments of the kernels: ConvPlan and GatedConv, cut to what is read.
struct ConvParameters {
  const void* x;
  const void* weight;
  const std::uint16_t *input_list, *output_list;  // null where not gated
  const std::int32_t *input_count, *output_count;
  const std::uint32_t* output_bits;  // of results that are multiplied by their gates; null: they are not
  const float *scale, *bias;
  const void* residual;
  void* y;
  float* sums;
  std::int64_t x_pitch, y_pitch, residual_pitch, weight_pitch;
  std::int32_t height, width, out_height, out_width, inputs, outputs;
  std::int32_t kernel_width, taps, stride, padding;
  ConvPlan::Axis rows, columns;
  std::int32_t slab_rows, strip_columns, slabs, strips, tile_rows, tile_columns, tile_buffers, passes, parts;
  bool x_pieces, y_pieces, residual_pieces;  // rows start at multiples of 16 bytes
  bool relu, zero_filled;
};

// A storage type and how many of it make a piece of 16 bytes, a step of the products (32 bytes) and a chunk.
template <class T>
struct ConvElement {
  static constexpr int kPiece = 16 / static_cast<int>(sizeof(T));
  static constexpr int kStep = 2 * kPiece;
  static constexpr int kChunk = conv_block::kPixelBytes / static_cast<int>(sizeof(T));
};

__device__ inline ConvBlock locate_block(const ConvParameters& p) {
  ConvBlock b;
  unsigned item = simt::block().x;
  const unsigned pass = item % static_cast<unsigned>(p.passes);
  item /= static_cast<unsigned>(p.passes);
  unsigned part = item % static_cast<unsigned>(p.parts);
  b.sample = item / static_cast<unsigned>(p.parts);
  b.part = static_cast<std::int32_t>(part);
  b.first_slot = static_cast<std::int32_t>(pass) * conv_block::kChannels;
  b.active_outputs = p.output_list ? p.output_count[b.sample] : p.outputs;
  b.slots = simt::minimum(b.active_outputs - b.first_slot, conv_block::kChannels);
  b.active_inputs = p.input_list ? p.input_count[b.sample] : p.inputs;

  // part = ((row phase * column phases + column phase) * slabs + slab) * strips + strip
  const std::int32_t strip = static_cast<std::int32_t>(part % static_cast<unsigned>(p.strips));
  part /= static_cast<unsigned>(p.strips);
  const std::int32_t slab = static_cast<std::int32_t>(part % static_cast<unsigned>(p.slabs));
  part /= static_cast<unsigned>(p.slabs);
  const std::int32_t column_phase = static_cast<std::int32_t>(part % static_cast<unsigned>(p.columns.phases));
  const std::int32_t row_phase = static_cast<std::int32_t>(part / static_cast<unsigned>(p.columns.phases));
  b.first_row = row_phase + p.rows.phases * slab * p.slab_rows;
  b.first_column = column_phase + p.columns.phases * strip * p.strip_columns;
  b.valid_rows = simt::minimum(p.slab_rows, (p.out_height - b.first_row + p.rows.phases - 1) / p.rows.phases);
  b.valid_columns =
      simt::minimum(p.strip_columns, (p.out_width - b.first_column + p.columns.phases - 1) / p.columns.phases);
  b.first_x_row = p.stride * b.first_row - p.padding;
  b.first_x_column = p.stride * b.first_column - p.padding;
  return b;
}

// y's pixel of a position, counted from the batch's first; -1 outside of y.
__device__ inline std::int64_t output_pixel(const ConvParameters& p, const ConvBlock& b, int position) {
  const int row = position / p.strip_columns, column = position % p.strip_columns;
  if (row >= b.valid_rows || column >= b.valid_columns) return -1;
  return (b.sample * p.out_height + b.first_row + row * p.rows.phases) * p.out_width + b.first_column +
         column * p.columns.phases;
}

// Whether any of the calling warp's positions is inside of y.
__device__ inline bool warp_has_positions(const ConvParameters& p, const ConvBlock& b) {
  return static_cast<int>(simt::warp()) * 32 < b.valid_rows * p.strip_columns && b.valid_columns > 0;
}

}  // namespace bsg::kernels::device
