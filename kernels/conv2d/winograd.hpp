// 3x3 convolutions of stride 1 by Winograd's minimal filtering F(2x2, 3x3) (Lavin and Gray 2016): 16 multiplications
// for each (input channel, output channel, 2x2 outputs) where the definition has 36.
//   y = A^T [sum over c of (G w G^T) * (B^T d B)] A for every 4x4 tile d of the padded input, tiles 2 apart.
// Vectors lie along tiles, so channels keep their single-channel granularity on both sides, as in the direct kernel.
// Internal to this family: conv2d.hpp's functions decide by the shape.
#pragma once

#include <cstdint>

#include "kernels/conv2d/conv2d.hpp"

namespace bsg::kernels::cpu {

// The convolution of a batch of planes, whichever pass it serves.
struct WinogradShape {
  std::int64_t batch = 0;
  std::int64_t channels = 0, height = 0, width = 0;  // of the input
  std::int64_t outputs = 0;
  std::int64_t padding = 0;

  std::int64_t out_height() const { return height + 2 * padding - 2; }
  std::int64_t out_width() const { return width + 2 * padding - 2; }
  std::int64_t tile_rows() const { return (out_height() + 1) / 2; }
  std::int64_t tile_columns() const { return (out_width() + 1) / 2; }
};

// The multiplications of a tile.
inline constexpr int kWinogradPositions = 16;

// A sample is done in bands of tile rows, so that a band's products stay in a core's L2; the transformed inputs of
// several bands are made together, so that each channel is read in one sweep. Tile (i, j) of a band is number i *
// tile_columns + j, padded to whole vectors. All strides between positions and outputs are odd in cache lines: powers
// of two would share a few sets.
struct WinogradBands {
  explicit WinogradBands(const WinogradShape& shape);
  std::int64_t group_rows() const { return bands * rows; }
  std::int64_t rows, tiles;      // of a band
  std::int64_t position, input;  // elements from one position, one band of transformed inputs to the next
  std::int64_t bands;            // of a group
  std::int64_t product;          // from one output's products to the next
  std::int64_t plane_row;        // of one channel's padded copy
  std::int64_t scratch;          // a group's transformed inputs and the copy
};

// Whether the transforms cost less than they save. Decided by the shape alone, gates or not: a channel's bits must not
// depend on which others are on.
bool winograd_pays(const Conv2dShape& shape);
WinogradShape winograd_forward_shape(const Conv2dShape& shape);
WinogradShape winograd_backward_input_shape(const Conv2dShape& shape);

// Elements of workspace: the transformed weights, and each thread's scratch.
std::int64_t winograd_workspace(const WinogradShape& shape, int threads);

// Where the weight of (output, channel, tap) lies: weight[output * output_step + channel * channel_step + tap], its
// taps backwards where turned is set.
template <class T>
struct WinogradWeight {
  const T* weight;
  std::int64_t output_step, channel_step;
  bool turned;
};

// x [batch, channels, height, width], y [batch, outputs, out_height, out_width], added to when accumulate is set. bias
// [outputs] and the gates [batch, channels], [batch, outputs] may be null; output planes that are off are not written.
template <class T>
void winograd_convolution(const Launch& launch, const WinogradShape& shape, const T* x, const WinogradWeight<T>& weight,
                          const T* bias, const T* input_gate, const T* output_gate, T* y, bool accumulate,
                          T* workspace);

std::int64_t winograd_weight_gradient_workspace(const Conv2dShape& shape, int threads);

// As conv2d_backward_weight: the adjoint of the above in w.
//   dw = G^T [sum over samples and tiles of (A dy A^T) * (B^T d B)] G
// Vectors lie along the output channels: dy is turned to [pixel][outputs], x is not.
template <class T>
void winograd_weight_gradient(const Launch& launch, const Conv2dShape& shape, const T* x, const T* dy,
                              const T* input_gate, const T* output_gate, T* dweight, bool accumulate, T* workspace);

}  // namespace bsg::kernels::cpu
