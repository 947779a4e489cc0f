// How a layer is cut into blocks: integers, on the host.
#include <algorithm>
#include <limits>
#include <numeric>

#include "kernels/gated_conv/gated_conv_block.hpp"
#include "kernels/gated_conv/gated_conv_device.hpp"

namespace bsg::kernels::device {
namespace {

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// An axis of `taps` weights whose outputs are all of one phase, or as many as make neighbours in the tile of what the
// window reads.
ConvPlan::Axis axis(std::int64_t out, std::int64_t stride, std::int64_t dilation, bool split) {
  const std::int64_t step = split ? dilation : 1;
  const std::int64_t phases = step / std::gcd(stride, step);
  ConvPlan::Axis a;
  a.phases = static_cast<std::int32_t>(std::min(phases, std::max<std::int64_t>(out, 1)));
  a.step = static_cast<std::int32_t>(step);
  a.stride = static_cast<std::int32_t>(stride * phases / step);
  a.tap = static_cast<std::int32_t>(dilation / step);
  return a;
}

std::int64_t tile_extent(const ConvPlan::Axis& a, std::int64_t outputs, std::int64_t taps) {
  return (outputs - 1) * a.stride + (taps - 1) * a.tap + 1;
}

// Cost of a layer's parts, in the time that half a warp's positions (32 of them, half of 64 output channels) take at
// one tap and chunk of input channels. From the estimate that a multiprocessor does 1.3 multiply-accumulates a
// picosecond and takes in 42 bytes a nanosecond: 32 positions' pixels cost 2, and the weights of a tap 2.
std::int64_t cost(const ConvPlan& p, std::int64_t rows, std::int64_t columns) {
  const std::int64_t taps = p.shape.window.taps();
  const std::int64_t pixels = std::int64_t{p.tile_rows} * p.tile_columns;
  const std::int64_t full = rows / p.slab_rows, last = rows % p.slab_rows;
  std::int64_t sum = 0;
  for (const auto& [count, slab] :
       {std::pair{full, std::int64_t{p.slab_rows}}, std::pair{std::int64_t{last > 0}, last}})
    sum += count * (taps * (32 * ceil_div(slab * p.strip_columns, 32) + 64) + 2 * pixels);
  return sum * ceil_div(columns, p.strip_columns);
}

}  // namespace

ConvPlan plan_gated_conv(const ConvShape& shape, ConvCompute compute, GatedSides sides) {
  ConvPlan plan;
  plan.shape = shape;
  plan.compute = compute;
  plan.sides = sides;
  const ConvWindow& w = shape.window;
  std::int64_t height = shape.height, width = shape.width;
  if (w.taps() == 1 && w.stride == 1 && w.padding == 0) {
    width *= height;
    height = 1;
  }
  const std::int64_t out_height = w.out(height, w.height), out_width = w.out(width, w.width);
  plan.height = static_cast<std::int32_t>(height);
  plan.width = static_cast<std::int32_t>(width);
  plan.out_height = static_cast<std::int32_t>(out_height);
  plan.out_width = static_cast<std::int32_t>(out_width);
  plan.passes = static_cast<std::int32_t>(ceil_div(shape.outputs, conv_block::kChannels));

  const std::int64_t chunk = conv_block::kPixelBytes / element_bytes(compute);
  plan.tile_buffers = shape.inputs <= chunk ? 1 : w.taps() == 1 ? 3 : 2;
  const std::int64_t most_pixels = conv_block::kTilePixels / plan.tile_buffers;
  // Two blocks share a multiprocessor if they can.
  const std::int64_t pixels_of_two = conv_block::kTilePixelsOfTwo / plan.tile_buffers;

  // Where an axis has one weight its dilation means nothing; as the stride, it leaves out what is not read.
  const std::int64_t row_dilation = w.height == 1 ? w.stride : w.dilation;
  const std::int64_t column_dilation = w.width == 1 ? w.stride : w.dilation;
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  ConvPlan best = plan;
  for (const bool split : {false, true}) {
    if (split && row_dilation == 1 && column_dilation == 1) continue;
    plan.rows = axis(out_height, w.stride, row_dilation, split);
    plan.columns = axis(out_width, w.stride, column_dilation, split);
    const std::int64_t rows = ceil_div(out_height, plan.rows.phases);
    const std::int64_t columns = ceil_div(out_width, plan.columns.phases);
    for (std::int64_t strip = 1; strip <= std::min(columns, conv_block::kPositions); ++strip) {
      for (std::int64_t slab = 1; slab <= std::min(rows, conv_block::kPositions / strip); ++slab) {
        const std::int64_t tile_rows = tile_extent(plan.rows, slab, w.height);
        const std::int64_t tile_columns = tile_extent(plan.columns, strip, w.width);
        if (tile_rows * tile_columns > most_pixels) break;
        plan.slab_rows = static_cast<std::int32_t>(slab);
        plan.strip_columns = static_cast<std::int32_t>(strip);
        plan.slabs = static_cast<std::int32_t>(ceil_div(rows, slab));
        plan.strips = static_cast<std::int32_t>(ceil_div(columns, strip));
        plan.tile_rows = static_cast<std::int32_t>(tile_rows);
        plan.tile_columns = static_cast<std::int32_t>(tile_columns);
        plan.warps = static_cast<std::int32_t>(ceil_div(slab * strip, 32));
        std::int64_t total = cost(plan, rows, columns) * plan.rows.phases * plan.columns.phases;
        if (tile_rows * tile_columns > pixels_of_two) total += total / 2;
        if (total < least) {
          least = total;
          best = plan;
        }
      }
    }
  }
  return best;
}

}  // namespace bsg::kernels::device
