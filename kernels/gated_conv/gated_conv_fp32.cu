// Gated convolution in f32, by fused multiply-adds. A warp's 32 positions x 64 slots are a register tile of 8 x 8 a
// lane: lanes are 4 groups of positions x 8 of slots, and take four inputs at a time, so that 16 loads of 16 bytes feed
// 256 multiply-adds.
// May spill 80 bytes: on sm_80, with inputs gated; sm_90a spills none (NOTES.md)
#include "kernels/gated_conv/gated_conv_kernels.hpp"
#include "kernels/gated_conv/gated_conv_open.hpp"

namespace bsg::kernels::device {
namespace {

using Floats = simt::Pack<float, 4>;

constexpr int kLanePositions = 8;  // position i of a lane is lane / 8 + 4 i of its warp's

// Slot of sum j of a lane. Rows of outputs hold four inputs of one slot: slots lane % 8 + 8 j. Rows of inputs hold four
// slots of one input: four neighbours.
template <GatedSides kSides>
__device__ int slot_of(int j) {
  const int group = static_cast<int>(simt::lane()) % 8;
  return kSides == GatedSides::inputs ? j / 4 * 32 + group * 4 + j % 4 : j * 8 + group;
}

template <GatedSides kSides, int kOutputs>
__device__ void run(const ConvParameters& p, const ConvBlock& b, conv_block::Storage& shared,
                    const conv_block::Tail& tail) {
  constexpr int kSums = kOutputs / 8;
  static_assert(kOutputs % (kSides == GatedSides::inputs ? 32 : 8) == 0 && kOutputs <= conv_block::kChannels);
  const int group = static_cast<int>(simt::lane()) % 8;
  const int first = static_cast<int>(simt::warp()) * 32 + static_cast<int>(simt::lane()) / 8;
  const bool active = warp_has_positions(p, b);
  float sums[kLanePositions][kSums];
#pragma unroll
  for (int i = 0; i < kLanePositions; ++i) {
#pragma unroll
    for (int j = 0; j < kSums; ++j) sums[i][j] = 0;
  }

  multiply_steps<float, kSides, kOutputs>(
      p, b, shared, tail, [&](const unsigned char* tile, int offset, const unsigned char* weights, int steps) {
        if (!active) return;
        int rows[kLanePositions];
#pragma unroll
        for (int i = 0; i < kLanePositions; ++i) rows[i] = conv_block::turned_row(shared.pixel[first + 4 * i] + offset);
#pragma unroll 1
        for (int piece = 0; piece < 2 * steps; ++piece) {
          Floats x[kLanePositions];  // [position][input of the piece]
#pragma unroll
          for (int i = 0; i < kLanePositions; ++i)
            x[i] = simt::load<4>(reinterpret_cast<const float*>(tile + (rows[i] ^ (piece << 4))));
          if constexpr (kSides == GatedSides::inputs) {
#pragma unroll
            for (int e = 0; e < 4; ++e) {
#pragma unroll
              for (int j = 0; j < kSums; j += 4) {
                const int row = piece * 4 + e, turned = (group + j * 2) ^ ((row & 3) << 1);
                // [slot]
                const Floats w = simt::load<4>(reinterpret_cast<const float*>(weights + (row * 16 + turned) * 16));
#pragma unroll
                for (int i = 0; i < kLanePositions; ++i)
#pragma unroll
                  for (int f = 0; f < 4; ++f) sums[i][j + f] = fmaf(x[i].v[e], w.v[f], sums[i][j + f]);
              }
            }
          } else {
#pragma unroll
            for (int j = 0; j < kSums; ++j) {
              const int row = j * 8 + group;
              // [input of the piece]
              const Floats w = simt::load<4>(
                  reinterpret_cast<const float*>(weights + row * conv_block::kPixelBytes + ((piece ^ group) << 4)));
#pragma unroll
              for (int i = 0; i < kLanePositions; ++i)
#pragma unroll
                for (int e = 0; e < 4; ++e) sums[i][j] = fmaf(x[i].v[e], w.v[e], sums[i][j]);
            }
          }
        }
      });

  store_sums<float, kSides, kOutputs>(p, b, shared, tail, [&](int half, conv_block::Panel& panel) {
    const int row = static_cast<int>(simt::lane()) / 8;
#pragma unroll
    for (int i = 0; i < kLanePositions / 2; ++i)
#pragma unroll
      for (int j = 0; j < kSums; ++j) panel[row + 4 * i][slot_of<kSides>(j)] = sums[half * kLanePositions / 2 + i][j];
  });
}

template <GatedSides kSides>
__global__ void __launch_bounds__(conv_block::kThreads, 2) gated_conv_fp32(const ConvParameters p) {
  auto& shared = simt::shared<conv_block::Storage>();
  const conv_block::Tail tail{simt::shared_tail<conv_block::Storage>()};
  if (!open_block<float>(p, shared)) return;
  const ConvBlock& b = shared.block;
  if constexpr (kSides == GatedSides::inputs) {
    if (b.slots <= 32)
      run<kSides, 32>(p, b, shared, tail);
    else
      run<kSides, 64>(p, b, shared, tail);
  } else {
    if (b.slots <= 16)
      run<kSides, 16>(p, b, shared, tail);
    else if (b.slots <= 32)
      run<kSides, 32>(p, b, shared, tail);
    else if (b.slots <= 48)
      run<kSides, 48>(p, b, shared, tail);
    else
      run<kSides, 64>(p, b, shared, tail);
  }
}

}  // namespace

void launch_gated_conv_fp32(const ConvLaunch& launch, const ConvParameters& p) {
  with_sides(launch.sides, [&](auto sides) {
    simt::launch_with_tail<conv_block::Storage>(launch.tail_bytes, gated_conv_fp32<decltype(sides)::value>,
                                                {launch.blocks}, {launch.threads}, launch.stream, p);
  });
}

}  // namespace bsg::kernels::device
