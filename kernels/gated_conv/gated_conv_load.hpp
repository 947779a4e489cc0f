// Internal to this family: how a block of the device kernels fills its shared memory, a step (chunk of input channels,
// tap) at a time, while it multiplies what came before.
#pragma once

#include "kernels/gated_conv/gated_conv_block.hpp"

namespace bsg::kernels::device {

// What the block looks up: every slot's scale, bias and channel, every position's pixel. Positions behind the part's
// last take the tile's first pixel.
__device__ inline void fill_storage(const ConvParameters& p, ConvBlock b, conv_block::Storage& shared) {
  const int threads = static_cast<int>(simt::block_size().x);
  for (int slot = static_cast<int>(simt::thread().x); slot < conv_block::kChannels; slot += threads) {
    int channel = 0;
    float scale = 0, bias = 0;  // of slots behind the last: their results are zeros
    if (slot < b.slots) {
      channel = p.output_list ? p.output_list[b.sample * p.outputs + b.first_slot + slot] : b.first_slot + slot;
      scale = p.scale ? p.scale[channel] : 1.0f;
      bias = p.bias ? p.bias[channel] : 0.0f;
    }
    shared.channel[slot] = channel;
    shared.scale[slot] = scale;
    shared.bias[slot] = bias;
  }
  for (int position = static_cast<int>(simt::thread().x); position < conv_block::kPositions; position += threads) {
    const int row = position / p.strip_columns, column = position % p.strip_columns;
    shared.pixel[position] = row < p.slab_rows ? row * p.rows.stride * p.tile_columns + column * p.columns.stride : 0;
  }
}

// Pixels of a chunk that lie outside of x, and channels behind the last, are zeros.
template <class T>
__device__ void load_tile(const ConvParameters& p, ConvBlock b, int chunk, int pieces, unsigned char* tile) {
  using Element = ConvElement<T>;
  const T* x = static_cast<const T*>(p.x);
  // Pieces below it lie in x as a whole, zeros of a compacted tensor included.
  const std::int64_t whole =
      !p.x_pieces    ? 0
      : p.input_list ? simt::minimum<std::int64_t>(
                           (b.active_inputs + Element::kStep - 1) / Element::kStep * Element::kStep, p.x_pitch)
                     : p.inputs;
  const int count = p.tile_rows * p.tile_columns * 8;
#pragma unroll 1  // copies are not waited for
  for (int i = static_cast<int>(simt::thread().x); i < count; i += static_cast<int>(simt::block_size().x)) {
    const int piece = i & 7, pixel = i >> 3;
    if (piece >= pieces) continue;
    const int tile_row = pixel / p.tile_columns, tile_column = pixel % p.tile_columns;
    const int row = b.first_x_row + tile_row * p.rows.step, column = b.first_x_column + tile_column * p.columns.step;
    const bool inside = row >= 0 && row < p.height && column >= 0 && column < p.width;
    const int channel = chunk * Element::kChunk + piece * Element::kPiece;
    void* to = tile + pixel * conv_block::kPixelBytes + ((piece ^ (pixel & 7)) << 4);
    const T* from = inside ? x + ((b.sample * p.height + row) * p.width + column) * p.x_pitch : x;  // [channels]
    if (channel + Element::kPiece <= whole) {
      simt::copy_async_or_zero<16>(to, from + (inside ? channel : 0), inside);
    } else {
      simt::Pack<T, Element::kPiece> values;
      for (int e = 0; e < Element::kPiece; ++e)
        values.v[e] = inside && channel + e < b.active_inputs ? from[channel + e] : T{};
      simt::store(static_cast<T*>(to), values);
    }
  }
}

// Rows of outputs: 16 bytes at a time from [output][tap][input].
template <class T>
__device__ void load_output_rows(const ConvParameters& p, ConvBlock b, const conv_block::Storage& shared, int rows,
                                 int chunk, int tap, int pieces, unsigned char* stage) {
  using Element = ConvElement<T>;
  const T* weight = static_cast<const T*>(p.weight);
#pragma unroll 2
  for (int i = static_cast<int>(simt::thread().x); i < rows * 8; i += static_cast<int>(simt::block_size().x)) {
    const int piece = i & 7, row = i >> 3;
    if (piece >= pieces) continue;
    const std::int64_t at = (std::int64_t{shared.channel[row]} * p.taps + tap) * p.weight_pitch +
                            chunk * Element::kChunk + piece * Element::kPiece;
    simt::copy_async_or_zero<16>(stage + row * conv_block::kPixelBytes + ((piece ^ (row & 7)) << 4), weight + at,
                                 row < b.slots);
  }
}

// Rows of inputs: 16 bytes at a time from [tap][input][output].
template <class T>
__device__ void load_input_rows(const ConvParameters& p, ConvBlock b, int columns, int chunk, int tap, int pieces,
                                unsigned char* stage) {
  using Element = ConvElement<T>;
  constexpr int kRowPieces = conv_block::kChannels / Element::kPiece;
  const T* weight = static_cast<const T*>(p.weight);
  const std::uint16_t* list = p.input_list + b.sample * p.inputs;
  const int rows = pieces * Element::kPiece;
#pragma unroll 2
  for (int i = static_cast<int>(simt::thread().x); i < rows * kRowPieces; i += static_cast<int>(simt::block_size().x)) {
    const int piece = i % kRowPieces, row = i / kRowPieces;
    const int output = b.first_slot + piece * Element::kPiece;
    if (piece * Element::kPiece >= columns) continue;
    const int input = chunk * Element::kChunk + row;
    const bool valid = input < b.active_inputs && output < p.weight_pitch;
    const std::int64_t at =
        valid ? (std::int64_t{tap} * p.inputs + list[input]) * p.weight_pitch + output : std::int64_t{0};
    const int turned = sizeof(T) == 2 ? piece ^ (row & 7) : piece ^ ((row & 3) << 1);
    simt::copy_async_or_zero<16>(stage + (row * kRowPieces + turned) * 16, weight + at, valid);
  }
}

// Rows of outputs, of which only the active inputs are taken, by elements: 4 bytes are copied as such; 2 bytes, less
// than the least copy, go through registers.
template <class T>
__device__ void load_elements(const ConvParameters& p, ConvBlock b, const conv_block::Storage& shared, int rows,
                              int chunk, int tap, int pieces, unsigned char* stage) {
  using Element = ConvElement<T>;
  const T* weight = static_cast<const T*>(p.weight);
  const std::uint16_t* list = p.input_list + b.sample * p.inputs;
  if constexpr (sizeof(T) == 4) {
#pragma unroll 2
    for (int i = static_cast<int>(simt::thread().x); i < rows * Element::kChunk;
         i += static_cast<int>(simt::block_size().x)) {
      const int element = i % Element::kChunk, row = i / Element::kChunk, piece = element / Element::kPiece;
      if (piece >= pieces) continue;
      const int input = chunk * Element::kChunk + element;
      const bool valid = row < b.slots && input < b.active_inputs;
      const std::int64_t at =
          valid ? (std::int64_t{shared.channel[row]} * p.taps + tap) * p.weight_pitch + list[input] : std::int64_t{0};
      simt::copy_async_or_zero<4>(
          stage + row * conv_block::kPixelBytes + ((piece ^ (row & 7)) << 4) + element % Element::kPiece * 4,
          weight + at, valid);
    }
  } else {
#pragma unroll 2
    for (int i = static_cast<int>(simt::thread().x); i < rows * 8; i += static_cast<int>(simt::block_size().x)) {
      const int piece = i & 7, row = i >> 3;
      if (piece >= pieces) continue;
      const T* from = weight + (std::int64_t{shared.channel[row]} * p.taps + tap) * p.weight_pitch;  // [inputs]
      simt::Pack<T, Element::kPiece> values;
      for (int e = 0; e < Element::kPiece; ++e) {
        const int input = chunk * Element::kChunk + piece * Element::kPiece + e;
        values.v[e] = row < b.slots && input < b.active_inputs ? from[list[input]] : T{};
      }
      simt::store(reinterpret_cast<T*>(stage + row * conv_block::kPixelBytes + ((piece ^ (row & 7)) << 4)), values);
    }
  }
}

// Calls multiply(tile at the tap's first pixel offset, ...) for every step, in order: chunks, then taps.
//   multiply(const unsigned char* tile, int offset, const unsigned char* weights, int steps): adds the products of
//   `steps` channel steps of the tile's pixels (each position's first, + offset) and the stage's weights
// kOutputs: output channels that are multiplied, of which the first block.slots are active.
template <class T, GatedSides kSides, int kOutputs, class Multiply>
__device__ void multiply_steps(const ConvParameters& p, const ConvBlock& b, const conv_block::Storage& shared,
                               const conv_block::Tail& tail, const Multiply& multiply) {
  using Element = ConvElement<T>;
  struct Step {
    int chunk = 0, tap = 0, buffer = 0, stage = 0;
  };
  const auto next = [&](Step& s) {
    s.stage = s.stage + 1 == conv_block::kStages ? 0 : s.stage + 1;
    if (++s.tap < p.taps) return;
    s.tap = 0;
    ++s.chunk;
    s.buffer = s.buffer + 1 == p.tile_buffers ? 0 : s.buffer + 1;
  };
  const int chunks = (b.active_inputs + Element::kChunk - 1) / Element::kChunk;
  const auto channel_steps = [&](int chunk) {
    return simt::minimum((b.active_inputs - chunk * Element::kChunk + Element::kStep - 1) / Element::kStep,
                         Element::kChunk / Element::kStep);
  };
  const int tile_bytes = p.tile_rows * p.tile_columns * conv_block::kPixelBytes;
  // One group of copies, empty behind the last step.
  const auto load = [&](const Step& s) {
    if (s.chunk < chunks) {
      const int pieces = 2 * channel_steps(s.chunk);
      if (s.tap == 0) load_tile<T>(p, b, s.chunk, pieces, tail.tiles() + s.buffer * tile_bytes);
      unsigned char* stage = tail.weights(s.stage);
      if constexpr (kSides == GatedSides::inputs)
        load_input_rows<T>(p, b, kOutputs, s.chunk, s.tap, pieces, stage);
      else if constexpr (kSides == GatedSides::both)
        load_elements<T>(p, b, shared, kOutputs, s.chunk, s.tap, pieces, stage);
      else
        load_output_rows<T>(p, b, shared, kOutputs, s.chunk, s.tap, pieces, stage);
    }
    simt::commit_copies();
  };

  // The tile of a chunk is loaded with its first step, two steps ahead: with two buffers (three of one tap) no one
  // reads the one that it goes to any more.
  Step ahead, now;
  int started = 0;
#pragma unroll 1
  while (now.chunk < chunks) {
    const bool full = started == conv_block::kStages - 1;
    if (full) {
      simt::wait_copies<conv_block::kStages - 2>();
      simt::sync_block();
    }
    load(ahead);
    next(ahead);
    if (!full) {
      ++started;
      continue;
    }
    const int row = now.tap / p.kernel_width, column = now.tap % p.kernel_width;
    multiply(tail.tiles() + now.buffer * tile_bytes, row * p.rows.tap * p.tile_columns + column * p.columns.tap,
             tail.weights(now.stage), channel_steps(now.chunk));
    next(now);
  }
}

}  // namespace bsg::kernels::device
