// 2-D convolution for inference, gated per sample on both sides, between activations that stay in the layout of
// planes.hpp. What follows a convolution in a residual network is done before its sums leave the registers. f32.
//   y[k] = scale[k] * relu(bias[k] + sum over active c, r, s of weight[k,c,r,s] * x[c] (window) + residual[k])
// Channels are reached through lists: one that is off is neither read nor computed, and switching it costs no packing.
// The dense convolution is the case of complete lists. One call does one sample, or one thread's part of its output
// channels, on the calling thread; an output's bits depend on the list of inputs alone, not on the list of outputs.
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

// The geometry of one layer, made once.
//
// Vectors are cut out of the output plane in one of three ways, whichever takes the fewest: along a row; along the
// whole plane, rows joined across the frame between them (when input and output have rows of one length); or as half a
// vector in each of two rows. Pixels that a vector covers outside of the plane are not stored.
struct ConvGeometry {
  // A vector of positions: where its first lane reads (for the kernel's first tap), is stored, and finds its residual.
  struct Spot {
    std::int32_t x, y, residual;
    bool whole;           // every lane is stored
    std::uint64_t lanes;  // bit i: lane i is stored
  };

  // x.phases must be window.stride; x.frame at least window.padding, and equal to it with a stride. y.phases = 1. The
  // residual may be null.
  ConvGeometry(const PlaneLayout& x, const ConvWindow& window, const PlaneLayout& y, const ResidualLayout* residual);

  std::vector<Spot> spots;
  std::vector<std::int64_t> taps;  // offset of each weight's input from the first tap's
  bool row_pairs = false;          // lanes of the upper half belong to the next row
  bool square3 = false;            // taps are three neighbours in each of three rows
  std::int64_t x_row = 0, x_plane = 0, x_channels = 0;
  std::int64_t y_row = 0, y_plane = 0;
  std::int64_t residual_row = 0, residual_plane = 0;
};

struct GatedConv {
  const ConvGeometry* geometry = nullptr;
  const float* x = nullptr;
  const float* weight = nullptr;         // [outputs][x_channels][taps]
  const float* bias = nullptr;           // [outputs]
  const std::int32_t* inputs = nullptr;  // active channels of x, ascending
  std::int64_t input_count = 0;
  const std::int32_t* outputs = nullptr;  // channels of y to compute; the others are left as they are
  std::int64_t output_count = 0;
  const float* scale = nullptr;  // [outputs] or null: 1
  // Output k takes residual channel k - residual_first if there is one.
  const float* residual = nullptr;
  std::int64_t residual_first = 0, residual_channels = 0;
  bool relu = false;
  float* y = nullptr;
  // Null, or [outputs][PlaneLayout::kSlack]: partial sums over the stored pixels of every computed channel, to be added
  // up by mean_of_planes.
  float* sums = nullptr;
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
