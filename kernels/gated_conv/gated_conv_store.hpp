// Internal to this family: what a block of the device kernels does with its sums. Each warp puts 16 positions at a time
// into its panel of shared memory and stores them row by row, 16 bytes a lane.
#pragma once

#include "kernels/common/vectors_device.hpp"
#include "kernels/gated_conv/gated_conv_block.hpp"

namespace bsg::kernels::device {
// The zeros of a sample all of whose outputs are off.
template <class T>
__device__ void store_zeros(const ConvParameters& p, const ConvBlock& b) {
  T* y = static_cast<T*>(p.y);
  for (int i = static_cast<int>(simt::thread().x); i < p.slab_rows * p.strip_columns * p.outputs;
       i += static_cast<int>(simt::block_size().x)) {
    const std::int64_t pixel = output_pixel(p, b, i / p.outputs);
    if (pixel >= 0) y[pixel * p.y_pitch + i % p.outputs] = T{};
  }
}

// y[pixel][first, first + kPiece) of a piece whose results are `values`: whole, where y's rows allow it.
template <class T>
__device__ void store_piece(const ConvParameters& p, const ConvBlock& b, std::int64_t pixel, int first,
                            const float (&values)[ConvElement<T>::kPiece]) {
  using Element = ConvElement<T>;
  T* to = static_cast<T*>(p.y) + pixel * p.y_pitch + first;
  // Behind a sample's last slot come zeros.
  const std::int64_t end =
      p.output_list ? simt::minimum<std::int64_t>(
                          (b.active_outputs + Element::kStep - 1) / Element::kStep * Element::kStep, p.y_pitch)
                    : p.outputs;
  if (p.y_pieces && first + Element::kPiece <= end) {
    simt::Pack<T, Element::kPiece> stored;
#pragma unroll
    for (int e = 0; e < Element::kPiece; ++e) stored.v[e] = narrow<T>(values[e]);
    simt::store(to, stored);
  } else {
#pragma unroll
    for (int e = 0; e < Element::kPiece; ++e)
      if (first + e < end) to[e] = narrow<T>(values[e]);
  }
}

// A slot's value goes to its channel; the off channels behind it (and before the sample's first) become zeros.
template <class T>
__device__ void store_scattered(const ConvParameters& p, const ConvBlock& b, const conv_block::Storage& shared,
                                std::int64_t pixel, int piece, const float (&values)[ConvElement<T>::kPiece]) {
  using Element = ConvElement<T>;
  T* to = static_cast<T*>(p.y) + pixel * p.y_pitch;  // [outputs]
  const std::uint16_t* list = p.output_list + b.sample * p.outputs;
#pragma unroll
  for (int e = 0; e < Element::kPiece; ++e) {
    const int slot = piece * Element::kPiece + e;
    if (slot >= b.slots) continue;
    const int channel = shared.channel[slot], all = b.first_slot + slot;
    const int end = all + 1 < b.active_outputs ? list[all + 1] : p.outputs;
    if (all == 0)
      for (int c = 0; c < channel; ++c) to[c] = T{};
    to[channel] = narrow<T>(values[e]);
    for (int c = channel + 1; c < end; ++c) to[c] = T{};
  }
}

// The residual of a piece of slots.
template <class T>
__device__ void add_residual(const ConvParameters& p, const ConvBlock& b, const conv_block::Storage& shared,
                             std::int64_t pixel, int piece, float (&values)[ConvElement<T>::kPiece]) {
  using Element = ConvElement<T>;
  const T* residual = static_cast<const T*>(p.residual) + pixel * p.residual_pitch;  // [outputs]
  const int first = b.first_slot + piece * Element::kPiece;
  if (p.residual_pieces && !p.output_list && first + Element::kPiece <= p.outputs) {
    const simt::Pack<T, Element::kPiece> pack = simt::load_read_only<Element::kPiece>(residual + first);
#pragma unroll
    for (int e = 0; e < Element::kPiece; ++e) values[e] += widen(pack.v[e]);
  } else {
#pragma unroll
    for (int e = 0; e < Element::kPiece; ++e) {
      const int slot = piece * Element::kPiece + e;
      if (slot < b.slots) values[e] += widen(residual[shared.channel[slot]]);
    }
  }
}

// Every thread of the block, once all products are done. kOutputs: slots that were multiplied. write(half, panel) puts
// the sums of the warp's positions [16 half, 16 half + 16) into panel[position % 16][slot].
template <class T, GatedSides kSides, int kOutputs, class Write>
__device__ void store_sums(const ConvParameters& p, const ConvBlock& b, conv_block::Storage& shared,
                           const conv_block::Tail& tail, const Write& write) {
  using Element = ConvElement<T>;
  constexpr int kPieces = conv_block::kChannels / Element::kPiece;  // of a row; lanes that share one row
  constexpr int kRows = 32 / kPieces;                               // that a warp stores at once
  const int warp = static_cast<int>(simt::warp()), lane = static_cast<int>(simt::lane());
  const int piece = lane % kPieces;
  const bool stored = piece * Element::kPiece < kOutputs;
  simt::sync_block();  // the panels lie where tiles and weights were
  conv_block::Panel& panel = tail.panel(warp);

  float scale[Element::kPiece], bias[Element::kPiece], sum[Element::kPiece];
#pragma unroll
  for (int e = 0; e < Element::kPiece; ++e) {
    scale[e] = shared.scale[piece * Element::kPiece + e];
    bias[e] = shared.bias[piece * Element::kPiece + e];
    sum[e] = 0;
  }
  // Bit e is the gate of the piece's element e.
  constexpr bool kMultiplied = kSides == GatedSides::outputs;  // or none
  std::uint32_t gates = 0;
  if (kMultiplied && p.output_bits && stored) {
    const int channel = b.first_slot + piece * Element::kPiece;
    gates = p.output_bits[b.sample * ((p.outputs + 31) / 32) + channel / 32] >> (channel % 32);
  }
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    simt::sync_warp();
    write(half, panel);
    simt::sync_warp();
    for (int row = lane / kPieces; row < conv_block::kPanelRows; row += kRows) {
      const std::int64_t pixel = output_pixel(p, b, warp * 32 + half * 16 + row);
      if (!stored || pixel < 0) continue;
      float values[Element::kPiece];
#pragma unroll
      for (int e = 0; e < Element::kPiece; e += 4) {
        const simt::Pack<float, 4> four = simt::load<4>(&panel[row][piece * Element::kPiece + e]);
#pragma unroll
        for (int f = 0; f < 4; ++f) values[e + f] = four.v[f] * scale[e + f] + bias[e + f];
      }
      if (p.residual) add_residual<T>(p, b, shared, pixel, piece, values);
#pragma unroll
      for (int e = 0; e < Element::kPiece; ++e) {
        // Not max(): a NaN stays one.
        if (p.relu) values[e] = values[e] < 0 ? 0.0f : values[e];
        if (kMultiplied && p.output_bits) values[e] *= static_cast<float>(gates >> e & 1);
        sum[e] += values[e];
      }
      if (p.zero_filled)
        store_scattered<T>(p, b, shared, pixel, piece, values);
      else
        store_piece<T>(p, b, pixel, b.first_slot + piece * Element::kPiece, values);
    }
  }
  if (!p.sums) return;

    // Lanes of a piece, then warps, in a fixed order.
#pragma unroll
  for (int e = 0; e < Element::kPiece; ++e) {
#pragma unroll
    for (unsigned distance = kPieces; distance < simt::kWarp; distance *= 2)
      sum[e] += simt::shuffle_xor(sum[e], distance);
    if (lane < kPieces) shared.sums[warp][piece * Element::kPiece + e] = sum[e];
  }
  simt::sync_block();
  const int warps = static_cast<int>(simt::block_size().x / simt::kWarp);
  for (int slot = static_cast<int>(simt::thread().x); slot < b.slots; slot += static_cast<int>(simt::block_size().x)) {
    float total = 0;
    for (int w = 0; w < warps; ++w) total += shared.sums[w][slot];
    p.sums[(b.sample * p.parts + b.part) * p.outputs + b.first_slot + slot] = total;
  }
}

}  // namespace bsg::kernels::device
