// The family's host side: which kernel runs a layer, and with what.
#include <cstddef>
#include <cstdint>

#include "kernels/gated_conv/gated_conv_kernels.hpp"

namespace bsg::kernels::device {
namespace {

bool in_pieces(const void* rows, std::int64_t pitch, ConvCompute compute) {
  return reinterpret_cast<std::uintptr_t>(rows) % 16 == 0 && pitch * element_bytes(compute) % 16 == 0;
}

std::int64_t weight_pitch(const ConvPlan& plan) {
  const std::int64_t row = plan.sides == GatedSides::inputs ? plan.shape.outputs : plan.shape.inputs;
  const std::int64_t step = channel_step(plan.compute);
  return (row + step - 1) / step * step;
}

ConvParameters parameters_of(const GatedConv& a) {
  const ConvPlan& plan = *a.plan;
  const bool inputs = plan.sides == GatedSides::inputs || plan.sides == GatedSides::both;
  const bool outputs = plan.sides == GatedSides::outputs || plan.sides == GatedSides::both;
  ConvParameters p{};
  p.x = a.x;
  p.weight = a.weight;
  if (inputs) {
    p.input_list = a.input_mask.list;
    p.input_count = a.input_mask.count;
  }
  if (outputs) {
    p.output_list = a.output_mask.list;
    p.output_count = a.output_mask.count;
  }
  if (plan.sides == GatedSides::none) p.output_bits = a.output_mask.bits;
  p.scale = a.scale;
  p.bias = a.bias;
  p.residual = a.residual;
  p.y = a.y;
  p.sums = a.sums;
  p.x_pitch = a.x_pitch;
  p.y_pitch = a.y_pitch;
  p.residual_pitch = a.residual_pitch;
  p.weight_pitch = weight_pitch(plan);
  p.height = plan.height;
  p.width = plan.width;
  p.out_height = plan.out_height;
  p.out_width = plan.out_width;
  p.inputs = static_cast<std::int32_t>(plan.shape.inputs);
  p.outputs = static_cast<std::int32_t>(plan.shape.outputs);
  p.kernel_width = static_cast<std::int32_t>(plan.shape.window.width);
  p.taps = static_cast<std::int32_t>(plan.shape.window.taps());
  p.stride = static_cast<std::int32_t>(plan.shape.window.stride);
  p.padding = static_cast<std::int32_t>(plan.shape.window.padding);
  p.rows = plan.rows;
  p.columns = plan.columns;
  p.slab_rows = plan.slab_rows;
  p.strip_columns = plan.strip_columns;
  p.slabs = plan.slabs;
  p.strips = plan.strips;
  p.tile_rows = plan.tile_rows;
  p.tile_columns = plan.tile_columns;
  p.tile_buffers = plan.tile_buffers;
  p.passes = plan.passes;
  p.parts = static_cast<std::int32_t>(plan.parts());
  p.x_pieces = in_pieces(a.x, a.x_pitch, plan.compute);
  p.y_pieces = in_pieces(a.y, a.y_pitch, plan.compute);
  p.residual_pieces = in_pieces(a.residual, a.residual_pitch, plan.compute);
  p.relu = a.relu;
  p.zero_filled = outputs && a.store == GatedStore::zero_filled;
  return p;
}

// One thread an element of the laid out weights.
struct Layout {
  const float* weight;
  WeightStrides strides;
  std::int64_t outputs, inputs, taps, pitch, elements;
  bool input_rows;
};

template <class Store>
__device__ void lay_out(const Layout& l, const Store& store) {
  const std::int64_t i = std::int64_t{simt::block().x} * simt::block_size().x + simt::thread().x;
  if (i >= l.elements) return;
  const std::int64_t column = i % l.pitch, row = i / l.pitch;
  const std::int64_t output = l.input_rows ? column : row / l.taps, input = l.input_rows ? row % l.inputs : column;
  const std::int64_t tap = l.input_rows ? row / l.inputs : row % l.taps;
  store(i, output < l.outputs && input < l.inputs
               ? l.weight[output * l.strides.output + input * l.strides.input + tap * l.strides.tap]
               : 0.0f);
}

__global__ void lay_out_fp32(const Layout l, float* to) {
  lay_out(l, [&](std::int64_t i, float value) { to[i] = value; });
}
__global__ void lay_out_tf32(const Layout l, float* to) {
  lay_out(l, [&](std::int64_t i, float value) { to[i] = simt::float_of(simt::to_tf32(value)); });
}
__global__ void lay_out_bf16(const Layout l, simt::bfloat16* to) {
  lay_out(l, [&](std::int64_t i, float value) { to[i] = simt::to_bfloat16(value); });
}

std::int64_t weight_elements(const ConvPlan& plan) {
  const ConvShape& s = plan.shape;
  return (plan.sides == GatedSides::inputs ? s.inputs : s.outputs) * s.window.taps() * weight_pitch(plan);
}

}  // namespace

std::int64_t weight_bytes(const ConvPlan& plan) { return weight_elements(plan) * element_bytes(plan.compute); }

void lay_out_weights(const Launch& launch, const ConvPlan& plan, const float* weight, const WeightStrides& strides,
                     void* laid_out) {
  constexpr unsigned kThreads = 256;
  const Layout layout{weight,
                      strides,
                      plan.shape.outputs,
                      plan.shape.inputs,
                      plan.shape.window.taps(),
                      weight_pitch(plan),
                      weight_elements(plan),
                      plan.sides == GatedSides::inputs};
  const unsigned blocks = static_cast<unsigned>((layout.elements + kThreads - 1) / kThreads);
  switch (plan.compute) {
    case ConvCompute::fp32:
      simt::launch(lay_out_fp32, {blocks}, {kThreads}, launch.stream, layout, static_cast<float*>(laid_out));
      break;
    case ConvCompute::tf32:
      simt::launch(lay_out_tf32, {blocks}, {kThreads}, launch.stream, layout, static_cast<float*>(laid_out));
      break;
    case ConvCompute::bf16:
      simt::launch(lay_out_bf16, {blocks}, {kThreads}, launch.stream, layout, static_cast<simt::bfloat16*>(laid_out));
      break;
  }
}

void gated_conv(const Launch& launch, const GatedConv& arguments) {
  const ConvPlan& plan = *arguments.plan;
  const ConvLaunch what{plan.sides, static_cast<unsigned>(arguments.batch * plan.parts() * plan.passes),
                        static_cast<unsigned>(plan.warps) * simt::kWarp, conv_block::tail_bytes(plan), launch.stream};
  const ConvParameters parameters = parameters_of(arguments);
  switch (plan.compute) {
    case ConvCompute::fp32:
      return launch_gated_conv_fp32(what, parameters);
    case ConvCompute::tf32:
      return launch_gated_conv_tf32(what, parameters);
    case ConvCompute::bf16:
      return launch_gated_conv_bf16(what, parameters);
  }
}

}  // namespace bsg::kernels::device
