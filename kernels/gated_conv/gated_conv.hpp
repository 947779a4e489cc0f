// 2-D convolution for inference, gated per sample on both sides, between activations that stay in the layout of
// planes.hpp. What follows a convolution in a residual network is done before its sums leave the registers. f32.
//   y[k] = scale[k] * relu(bias[k] + sum over active c, r, s of weight[k,c,r,s] * x[c] (window) + residual[k])
// Channels are reached through lists: one that is off is neither read nor computed, and switching it costs no packing.
// The dense convolution is the case of complete lists. One call does one sample, or one thread's part of its output
// channels, on the calling thread; an output's bits depend on the list of inputs alone, not on the list of outputs.
//
// Two methods: the definition, vectors along pixels; and for 3x3 kernels of stride 1 Winograd's F(2x2, 3x3), vectors
// along 2x2 tiles of the output, where its 16 multiplications instead of 36 outweigh its transforms. With a dilation, a
// tile's pixels are so far apart. The layer's shape decides.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/gated_conv/planes.hpp"

namespace bsg::kernels {

struct ConvWindow {
  std::int64_t height = 0, width = 0;  // of the kernel
  std::int64_t stride = 1, padding = 0, dilation = 1;

  std::int64_t taps() const { return height * width; }
  // Extent of the output along an axis with `extent` inputs and a kernel of `kernel`; <= 0 when the kernel is larger.
  std::int64_t out(std::int64_t extent, std::int64_t kernel) const {
    const std::int64_t room = extent + 2 * padding - dilation * (kernel - 1) - 1;
    return room < 0 ? 0 : room / stride + 1;
  }
};

// A residual is added pixel by pixel; with a stride, the one at (i * stride, j * stride).
struct ResidualLayout {
  PlaneLayout planes;
  std::int64_t stride = 1;
};

namespace cpu {

enum class ConvMethod { direct, winograd };

// How Winograd's weights lie: an output's together, for lists of outputs with gaps; or an input's for 16 outputs, for
// complete lists of outputs and lists of inputs with gaps. Results are the same to the last bit.
enum class WeightOrder { outputs, inputs };

// The definition: vectors are cut out of the output plane in one of three ways, whichever takes the fewest: along a
// row; along the whole plane, rows joined across the frame between them (when input and output have rows of one
// length); or as half a vector in each of two rows. Pixels that a vector covers outside of the plane are not stored.
struct DirectGeometry {
  // A vector of positions: where its first lane reads (for the kernel's first tap), is stored, and finds its residual.
  struct Spot {
    std::int32_t x, y, residual;
    bool whole;           // every lane is stored
    std::uint64_t lanes;  // bit i: lane i is stored
  };
  std::vector<Spot> spots;
  std::vector<std::int64_t> taps;  // offset of each weight's input from the first tap's
  bool row_pairs = false;          // lanes of the upper half belong to the next row
  bool square3 = false;            // taps are three neighbours in each of three rows
};

// Winograd's: inputs are transformed for a block of tile rows at a time; a block is multiplied and transformed back in
// groups of as many tile rows as fill vectors best. Tile (i, j) of a group is number i * columns + j.
//   transformed inputs  [position][active input][group of the block][tile]
//   weights             [output][position][channel], or by inputs [output / kBlock][position][channel][output % kBlock]
//   products            [active output / kBlock][position][active output % kBlock][tile]
// so that every register tile of outputs reads and writes in order. Strides of inputs and weights are odd in cache
// lines: powers of two would share a few sets.
struct WinogradGeometry {
  static constexpr std::int64_t kPositions = 16;  // of a 4x4 tile of the input
  static constexpr std::int64_t kBlock = 16;

  std::int64_t rows = 0, columns = 0;            // tiles of a plane
  std::int64_t group_rows = 0, group_tiles = 0;  // tile rows of a group; its tiles, padded to whole vectors
  std::int64_t block_rows = 0, block_tiles = 0;  // the same of a block
  std::int64_t input = 0;                        // elements from one position's transformed inputs to the next
  WeightOrder order = WeightOrder::outputs;
  std::int64_t weight_position = 0;         // elements from one position's weights to the next's
  std::int64_t weight_output = 0;           // the same of outputs, or of blocks of outputs
  std::int64_t x = 0, y = 0, residual = 0;  // offset of the first tile's first pixel
  std::int64_t height = 0, width = 0;       // of y
  std::int64_t dilation = 1;
  // With a dilation: extent of x with its padding, and where in the scratch the copied part of a channel lies, for a
  // block of tile rows; elements of its rows.
  std::int64_t x_height = 0, x_width = 0, phase_plane = 0, phase_row = 0;
};

// One layer, laid out once.
struct ConvGeometry {
  // x.phases must be window.stride; x.frame at least window.padding. y.phases = 1. The residual may be null.
  ConvGeometry(const PlaneLayout& x, const ConvWindow& window, const PlaneLayout& y, const ResidualLayout* residual,
               WeightOrder order = WeightOrder::outputs);
  // The same by a given method; winograd needs a 3x3 kernel of stride 1.
  ConvGeometry(const PlaneLayout& x, const ConvWindow& window, const PlaneLayout& y, const ResidualLayout* residual,
               ConvMethod by, WeightOrder order = WeightOrder::outputs);

  ConvMethod method;
  DirectGeometry direct;      // of the method direct
  WinogradGeometry winograd;  // of the method winograd
  std::int64_t x_row, x_plane, x_channels;
  std::int64_t y_row, y_plane, y_channels;
  std::int64_t residual_row = 0, residual_plane = 0;

  // Elements of GatedConv::scratch.
  std::int64_t scratch() const;
};

// weight [y_channels][x_channels][taps] as the method reads it: the same, or transformed, in double.
std::vector<float> lay_out_weights(const ConvGeometry& geometry, const std::vector<float>& weight);

struct GatedConv {
  const ConvGeometry* geometry = nullptr;
  const float* x = nullptr;
  const float* weight = nullptr;         // of lay_out_weights
  const float* bias = nullptr;           // [y_channels]
  const std::int32_t* inputs = nullptr;  // active channels of x, ascending
  std::int64_t input_count = 0;
  const std::int32_t* outputs = nullptr;  // channels of y to compute, ascending; the others are left as they are
  std::int64_t output_count = 0;
  const float* scale = nullptr;  // [y_channels] or null: 1
  // Output k takes residual channel k - residual_first if there is one.
  const float* residual = nullptr;
  std::int64_t residual_first = 0, residual_channels = 0;
  bool relu = false;
  float* y = nullptr;
  // Null, or [y_channels][PlaneLayout::kSlack]: partial sums over the stored pixels of every computed channel, to be
  // added up by mean_of_planes.
  float* sums = nullptr;
  float* scratch = nullptr;  // the calling thread's own; contents need no preparation
};

void gated_conv(const GatedConv& arguments);

// Copies channels [begin, end) of a sample [channels][height][width] into its planes.
void place_sample(const PlaneLayout& to, const float* sample, std::int64_t begin, std::int64_t end, float* planes);

// The same pixels under another frame and number of phases: what a strided convolution reads.
void split_phases(const PlaneLayout& from, const float* x, const PlaneLayout& to, std::int64_t begin, std::int64_t end,
                  float* y);

// mean[c] = sum of the partial sums of channel c times factor.
void mean_of_planes(const float* sums, std::int64_t channels, float factor, float* mean);

}  // namespace cpu
}  // namespace bsg::kernels
