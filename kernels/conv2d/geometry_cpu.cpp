#include <algorithm>
#include <bit>

#include "kernels/conv2d/dilation.hpp"
#include "kernels/conv2d/geometry.hpp"
#include "kernels/conv2d/winograd.hpp"

namespace bsg::kernels::cpu {

ForwardGeometry::ForwardGeometry(const Conv2dShape& s) {
  scratch.phases = s.stride;
  scratch.rows = s.out_height() + s.dilation * (s.kernel_height - 1) / s.stride;
  scratch.columns = s.out_width() + s.dilation * (s.kernel_width - 1) / s.stride;
  scratch.top = scratch.left = s.padding;
  grid.rows = s.out_height();
  grid.columns = s.out_width();
  grid.row_stride = s.out_width();
  for (std::int64_t r = 0; r < s.kernel_height; ++r)
    for (std::int64_t c = 0; c < s.kernel_width; ++c) {
      const std::int64_t down = r * s.dilation, right = c * s.dilation;
      const std::int64_t phase = down % s.stride * s.stride + right % s.stride;
      grid.taps.push_back({phase * scratch.phase_plane() + down / s.stride * scratch.columns + right / s.stride,
                           r * s.kernel_width + c});
    }
}

namespace {

// Along one axis: which inputs belong to a phase of the stride and which kernel taps reach them. Input i = first +
// stride * m takes dy at m + shift for each of its taps.
struct AxisPhase {
  std::int64_t first = 0, count = 0;
  struct Reach {
    std::int64_t tap, shift;
  };
  std::vector<Reach> reaches;
};

std::vector<AxisPhase> axis_phases(std::int64_t extent, std::int64_t kernel, const Conv2dShape& s) {
  std::vector<AxisPhase> phases;
  for (std::int64_t phase = 0; phase < s.stride; ++phase) {
    AxisPhase axis;
    axis.first = ((phase - s.padding) % s.stride + s.stride) % s.stride;
    axis.count = axis.first < extent ? (extent - 1 - axis.first) / s.stride + 1 : 0;
    const std::int64_t quotient = (axis.first + s.padding - phase) / s.stride;
    for (std::int64_t tap = 0; tap < kernel; ++tap)
      if (tap * s.dilation % s.stride == phase) axis.reaches.push_back({tap, quotient - tap * s.dilation / s.stride});
    phases.push_back(std::move(axis));
  }
  return phases;
}

// Padding before the first row (or column) of dy, and how many rows the furthest reach needs.
void extend(const std::vector<AxisPhase>& phases, std::int64_t& before, std::int64_t& extent) {
  for (const AxisPhase& axis : phases)
    for (const AxisPhase::Reach& reach : axis.reaches) before = std::max(before, -reach.shift);
  for (const AxisPhase& axis : phases)
    for (const AxisPhase::Reach& reach : axis.reaches) extent = std::max(extent, axis.count + reach.shift + before);
}

}  // namespace

BackwardInputGeometry::BackwardInputGeometry(const Conv2dShape& s) {
  const auto vertical = axis_phases(s.height, s.kernel_height, s);
  const auto horizontal = axis_phases(s.width, s.kernel_width, s);
  extend(vertical, scratch.top, scratch.rows);
  extend(horizontal, scratch.left, scratch.columns);
  for (const AxisPhase& down : vertical)
    for (const AxisPhase& right : horizontal) {
      OutputGrid grid;
      grid.rows = down.count;
      grid.columns = right.count;
      grid.base = down.first * s.width + right.first;
      grid.row_stride = s.stride * s.width;
      grid.column_stride = s.stride;
      for (const AxisPhase::Reach& row : down.reaches)
        for (const AxisPhase::Reach& column : right.reaches)
          grid.taps.push_back({(row.shift + scratch.top) * scratch.columns + column.shift + scratch.left,
                               row.tap * s.kernel_width + column.tap});
      grids.push_back(std::move(grid));
    }
}

std::int64_t samples_at_a_time(std::int64_t batch, int threads) {
  return std::clamp<std::int64_t>(batch / (std::int64_t{8} * threads), 1, 4);
}

WeightGradientLayout::WeightGradientLayout(const Conv2dShape& s) {
  constexpr std::int64_t kParts = 8;
  constexpr std::int64_t kBandElements =
      std::int64_t{48} * 1024;  // 192 KB of float: a band stays in a core's L2 beside its x rows
  parts = std::max<std::int64_t>(1, std::min(kParts, s.batch));
  taps = s.kernel_width == 3 && s.stride == 1 && s.dilation == 1 ? 3 : 1;
  pixel = (s.outputs + kMaxLanes - 1) / kMaxLanes * kMaxLanes;
  // Three taps see dy from two pixels before an input's own to that pixel, shifted by the padding.
  margin = taps == 3 ? std::max<std::int64_t>(0, 2 - s.padding) : 0;
  row = (margin + (taps == 3 ? std::max(s.out_width(), s.width + s.padding) : s.out_width())) * pixel;
  band = std::clamp<std::int64_t>(kBandElements / std::max<std::int64_t>(row, 1), 1, s.out_height());
  turned = band * row;
}

WinogradBands::WinogradBands(const WinogradShape& s) {
  constexpr std::int64_t kTiles = 64;
  constexpr std::int64_t kGroupElements = std::int64_t{80} * 1024;  // 320 KB of float
  const std::int64_t columns = std::max<std::int64_t>(s.tile_columns(), 1);
  // A row shorter than a vector is written by the next longer power of two.
  const std::int64_t widest = static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(columns)));
  const std::int64_t overhang = columns < kMaxLanes ? std::max<std::int64_t>(widest, 4) - columns : 0;
  rows = std::clamp<std::int64_t>(kTiles / columns, 1, std::max<std::int64_t>(s.tile_rows(), 1));
  tiles = (rows * columns + overhang + kMaxLanes - 1) / kMaxLanes * kMaxLanes;
  position = s.channels * tiles + kMaxLanes;
  input = kWinogradPositions * position;
  bands = std::clamp<std::int64_t>(kGroupElements / input, 1, (s.tile_rows() + rows - 1) / rows);
  product = kWinogradPositions * tiles + kMaxLanes;
  plane_row = 2 * (columns + overhang) + 2;
  scratch = bands * input + ((2 * s.tile_rows() + 2) * plane_row + kMaxLanes - 1) / kMaxLanes * kMaxLanes;
}

std::int64_t conv2d_workspace(const Conv2dShape& shape, int threads) {
  if (splits_by_dilation(shape)) return dilation_workspace(shape, threads);
  const ForwardGeometry forward(shape);
  const BackwardInputGeometry backward(shape);
  const WeightGradientLayout gradient(shape);
  const std::int64_t for_forward = threads * shape.channels * forward.scratch.channel();
  const std::int64_t for_input = threads * shape.outputs * backward.scratch.channel() + shape.weights();
  const std::int64_t for_weight =
      threads * gradient.turned + gradient.parts * shape.channels * shape.taps() * gradient.pixel;
  std::int64_t most = std::max({for_forward, for_input, for_weight}) + kMaxLanes;
  if (winograd_pays(shape))
    most = std::max({most, winograd_workspace(winograd_forward_shape(shape), threads),
                     winograd_workspace(winograd_backward_input_shape(shape), threads),
                     winograd_weight_gradient_workspace(shape, threads)});
  return most;
}

}  // namespace bsg::kernels::cpu
