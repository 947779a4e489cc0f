// 2-D convolution on the device, gated per sample on its outputs, its inputs or both, with what follows it in a
// residual network done before its sums leave the registers:
//   y[n,i,j,k] = relu(scale[k] * (sum over active c, r, s of weight[k,c,r,s] * x[n, window, c]) + bias[k] +
//                residual[n,i,j,k])          for every active k
// Activations lie channels last: [batch][height][width][pitch], pitch >= channels. What lies between a row's channels
// and its pitch is never read and never written.
//
// A gated tensor is compacted: sample n holds its count[n] active channels, in the order of the mask's list, then zeros
// up to the next multiple of a step (32 bytes: 16 channels of bf16, 8 of f32) or the pitch, if that is less; what lies
// behind is neither read nor written. So activations are never gathered, only weights are, whose rows are long.
//
// No call waits for the device: counts are read there. A block of threads per (sample, part of the plane, 64 output
// channels) is started for all channels, and ends at once where the sample has fewer active. Off channels' weights,
// scales, biases and residuals are not read. An output's bits depend on the list of inputs and on the plan, not on the
// list of outputs nor on the batch.
#pragma once

#include <cstdint>

#include "kernels/common/launch.hpp"
#include "kernels/gate/gate_mask.hpp"
#include "kernels/gated_conv/gated_conv.hpp"

namespace bsg::kernels::device {

// What activations are stored as and products are computed in; sums are f32 in all.
//   fp32: f32, fused multiply-adds.   tf32: f32, rounded to tf32 (10 bits) as read.   bf16: bf16.
enum class ConvCompute { fp32, tf32, bf16 };

// Bytes of an activation, or of a weight as laid out.
constexpr std::int64_t element_bytes(ConvCompute compute) { return compute == ConvCompute::bf16 ? 2 : 4; }
// Channels of a step, to which compacted tensors are filled with zeros.
constexpr std::int64_t channel_step(ConvCompute compute) { return 32 / element_bytes(compute); }

struct ConvShape {
  std::int64_t height = 0, width = 0;    // of x
  std::int64_t inputs = 0, outputs = 0;  // channels, gated or not; at most GateMask::kMaxChannels
  ConvWindow window;                     // any height and width

  std::int64_t out_height() const { return window.out(height, window.height); }
  std::int64_t out_width() const { return window.out(width, window.width); }
};

enum class GatedSides { none, outputs, inputs, both };

// How output positions are cut into the blocks' parts and which pixels of x a block keeps in shared memory: integers
// that depend on the layer alone.
//
// Along an axis, outputs i, i + phases, i + 2 phases, ... of a phase are done together: they read input pixels that are
// `step` apart, which lie side by side in the block's tile. There the window of output number i' of a phase starts at
// stride * i', and its taps are `tap` apart. (A dilated convolution is step * step undilated ones; a strided one by a
// 1 x 1 kernel reads only the pixels that it needs.) A part is slab_rows x strip_columns positions of a phase.
struct ConvPlan {
  struct Axis {
    std::int32_t phases = 1, step = 1, stride = 1, tap = 1;
  };

  ConvShape shape;
  ConvCompute compute = ConvCompute::fp32;
  GatedSides sides = GatedSides::none;

  // Of x and y as the kernels see them: a pointwise convolution of stride 1 sees one row.
  std::int32_t height = 0, width = 0, out_height = 0, out_width = 0;
  Axis rows, columns;
  std::int32_t slab_rows = 0, strip_columns = 0;  // of a part; at most 256 positions
  std::int32_t slabs = 0, strips = 0;             // of a phase
  std::int32_t tile_rows = 0, tile_columns = 0;   // pixels that a part reads
  std::int32_t tile_buffers = 0;                  // tiles in shared memory: the next channels' arrive meanwhile
  std::int32_t warps = 0;                         // of a block: 32 positions each
  std::int32_t passes = 0;                        // of 64 output channels

  // Parts of a sample's plane.
  std::int64_t parts() const { return static_cast<std::int64_t>(rows.phases) * columns.phases * slabs * strips; }
};

// Plans a layer, on the host. A tile holds at most 1024 pixels, of which each buffer takes one output's window at
// least: every window of up to 512 weights has a plan; one that has none comes back with warps = 0.
ConvPlan plan_gated_conv(const ConvShape& shape, ConvCompute compute, GatedSides sides);

// Weights as the kernels read them, in rows that are gathered. Rows of outputs, [outputs][taps][pitch >= inputs],
// unless inputs alone are gated: then rows of inputs, [taps][inputs][pitch >= outputs]. The pitch is the next multiple
// of a channel step; zeros between. Rounded to bf16 or tf32.
std::int64_t weight_bytes(const ConvPlan& plan);

// Where weight[k][c][r][s] is, in elements: k * output + c * input + (r * window.width + s) * tap.
struct WeightStrides {
  std::int64_t output = 0, input = 0, tap = 0;
  static WeightStrides channels_first(const ConvShape& s) { return {s.inputs * s.window.taps(), s.window.taps(), 1}; }
  static WeightStrides channels_last(const ConvShape& s) { return {s.inputs * s.window.taps(), 1, s.inputs}; }
};

// laid_out: weight_bytes(plan), aligned to 16 bytes.
void lay_out_weights(const Launch& launch, const ConvPlan& plan, const float* weight, const WeightStrides& strides,
                     void* laid_out);

// How y is stored where outputs are gated: compacted, or whole with zeros in the off channels.
enum class GatedStore { compacted, zero_filled };

// Every pointer is the device's. x, y and residual may have any alignment and pitch, but rows that start at multiples
// of 16 bytes are read and written 16 bytes at a time, others by elements.
struct GatedConv {
  const ConvPlan* plan = nullptr;
  std::int64_t batch = 0;  // batch * parts() * passes < 2^31

  const void* x = nullptr;  // [batch][height][width][x_pitch]; compacted by `inputs` where inputs are gated
  std::int64_t x_pitch = 0;
  const void* weight = nullptr;  // of lay_out_weights
  GateMask input_mask;           // of plan->shape.inputs channels; not read unless inputs are gated
  // Of plan->shape.outputs channels; not read unless outputs are gated. But where the plan has no gated side, bits may
  // be given alone: all channels are computed, and multiplied by 0 or 1.
  GateMask output_mask;
  const float* scale = nullptr;    // [outputs] or null: 1
  const float* bias = nullptr;     // [outputs] or null: 0
  const void* residual = nullptr;  // null, or whole: [batch][out_height][out_width][residual_pitch >= outputs]
  std::int64_t residual_pitch = 0;
  bool relu = false;

  void* y = nullptr;  // [batch][out_height][out_width][y_pitch]; must not overlap x or residual
  std::int64_t y_pitch = 0;
  GatedStore store = GatedStore::compacted;
  // Null, or, where outputs are not gated, [batch][parts][outputs]: sums over the positions of each part, before y's
  // rounding, that added up in order give the next block's global average pool.
  float* sums = nullptr;
};

void gated_conv(const Launch& launch, const GatedConv& arguments);

}  // namespace bsg::kernels::device
