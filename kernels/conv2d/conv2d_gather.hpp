// Internal to this family: forward and the gradient of x as one product, [places of the result, taps * source channels]
// times [taps * source channels, result channels], whose left operand is gathered from the source as it is copied.
#pragma once

#include "kernels/common/matrix_tiles.hpp"
#include "kernels/common/vectors_device.hpp"
#include "kernels/conv2d/conv2d_matrix.hpp"

namespace bsg::kernels::device {

template <class T>
struct GatherParameters {
  const T *source, *weight;  // source [N, height, width, source_channels]
  T* result;                 // [N, result_height, result_width, result_channels]
  const float *bias, *gate;  // of result channels; null
  std::int32_t batch, height, width, source_channels;
  std::int32_t result_height, result_width, result_channels;
  std::int32_t kernel_width, kernel_taps;
  std::int32_t phases;  // along each axis
  bool accumulate;
  WindowAxis rows[kMostPhases], columns[kMostPhases];
};

// A place along the depth: a channel of a tap.
struct DepthPlace {
  std::int32_t channel = 0, tap_row = 0, tap_column = 0;

  __device__ void advance(std::int32_t by, std::int32_t channels, std::int32_t tap_columns) {
    channel += by;
    while (channel >= channels) {
      channel -= channels;
      if (++tap_column == tap_columns) {
        tap_column = 0;
        ++tap_row;
      }
    }
  }
};

// kWeightAlongDepth: weight is [result channels, taps, source channels], of forward; else [source channels, taps,
// result channels], the same array seen from the other side. Block (x, y, z): tile x of the places, tile y of the
// result's channels, phase z.
template <class T, bool kWeightAlongDepth, int kColumns>
__global__ void __launch_bounds__(matrix_tiles::kThreads, 3) gather_product(const GatherParameters<T> p) {
  using namespace matrix_tiles;
  using Storage = matrix_tiles::Storage<T, true, kWeightAlongDepth, kColumns>;
  using Left = typename Storage::Left;
  using Right = typename Storage::Right;
  auto& storage = simt::shared<Storage>();
  const int phase = static_cast<int>(simt::block().z);
  const WindowAxis rows = p.rows[phase / p.phases], columns = p.columns[phase % p.phases];
  const unsigned plane = static_cast<unsigned>(rows.places) * static_cast<unsigned>(columns.places);
  const unsigned places = plane * static_cast<unsigned>(p.batch);
  const unsigned first = simt::block().x * kLeftLines;
  if (first >= places) return;
  const int first_column = static_cast<int>(simt::block().y) * kColumns;
  const int depth = rows.taps * columns.taps * p.source_channels;

  // The windows of the lines that this thread copies. One that does not exist begins far outside.
  struct Window {
    std::int32_t row, column, pixel;
  } windows[Left::kCopies];
#pragma unroll
  for (int i = 0; i < Left::kCopies; ++i) {
    const unsigned m = first + static_cast<unsigned>(Left::first_row() + i * Left::kRowsAtOnce);
    const auto width = static_cast<unsigned>(columns.places);
    const int sample = static_cast<int>(m / plane), in = static_cast<int>(m % plane);
    windows[i].row = in / static_cast<int>(width) * rows.scale + rows.offset;
    windows[i].column = in % static_cast<int>(width) * columns.scale + columns.offset;
    windows[i].pixel = (sample * p.height + windows[i].row) * p.width + windows[i].column;
    if (m >= places) windows[i].row = -(1 << 30);
  }
  DepthPlace left, right;
  left.advance(Left::piece() * kPiece<T>, p.source_channels, columns.taps);
  int right_depth = kWeightAlongDepth ? Right::piece() * kPiece<T> : Right::first_row();
  if constexpr (!kWeightAlongDepth) right.advance(right_depth, p.source_channels, columns.taps);

  const auto load = [&](Left& to_left, Right& to_right) {
    const int down = left.tap_row * rows.step, across = left.tap_column * columns.step;
    const bool inside = left.tap_row < rows.taps;
#pragma unroll
    for (int i = 0; i < Left::kCopies; ++i) {
      const int row = windows[i].row + down, column = windows[i].column + across;
      const bool valid = inside && row >= 0 && row < p.height && column >= 0 && column < p.width;
      const std::int64_t pixel = windows[i].pixel + down * p.width + across;
      simt::copy_async_or_zero<16>(to_left.place(i), p.source + (valid ? pixel * p.source_channels + left.channel : 0),
                                   valid);
    }
    left.advance(kTileDepth<T>, p.source_channels, columns.taps);

    if constexpr (kWeightAlongDepth) {
#pragma unroll
      for (int i = 0; i < Right::kCopies; ++i) {
        if (!Right::loads()) break;
        const int column = first_column + Right::first_row() + i * Right::kRowsAtOnce;
        const bool valid = column < p.result_channels && right_depth < depth;
        simt::copy_async_or_zero<16>(to_right.place(i),
                                     p.weight + (valid ? std::int64_t{column} * depth + right_depth : 0), valid);
      }
      right_depth += kTileDepth<T>;
    } else {
      const int column = first_column + Right::piece() * kPiece<T>;
#pragma unroll
      for (int i = 0; i < Right::kCopies; ++i) {
        if (!Right::loads()) break;
        const bool valid = right.tap_row < rows.taps && column < p.result_channels;
        const int tap = (rows.first_tap + right.tap_row * rows.tap_step) * p.kernel_width + columns.first_tap +
                        right.tap_column * columns.tap_step;
        const std::int64_t at = (std::int64_t{right.channel} * p.kernel_taps + tap) * p.result_channels + column;
        simt::copy_async_or_zero<16>(to_right.place(i), p.weight + (valid ? at : 0), valid);
        right.advance(Right::kCopies > 1 ? Right::kRowsAtOnce : kTileDepth<T>, p.source_channels, columns.taps);
      }
    }
  };

  const auto my_first = first + simt::warp() * 32;
  const bool active = my_first < places;
  Sums<kColumns> sums = {};
  multiply_tiles(storage, (depth + kTileDepth<T> - 1) / kTileDepth<T>, active, load, sums);
  if (!active) return;
  store_rows<T>(sums, storage.panels[simt::warp()], [&](int line, int column, const float* values) {
    const unsigned m = my_first + static_cast<unsigned>(line);
    column += first_column;
    if (m >= places || column >= p.result_channels) return;
    const unsigned sample = m / plane, in = m % plane, width = static_cast<unsigned>(columns.places);
    const int row = static_cast<int>(in / width) * rows.place_step + rows.first_place;
    const int across = static_cast<int>(in % width) * columns.place_step + columns.first_place;
    const std::int64_t pixel = (std::int64_t{sample} * p.result_height + row) * p.result_width + across;
    T* to = p.result + pixel * p.result_channels + column;
    Floats<kPiece<T>> result;
#pragma unroll
    for (int e = 0; e < kPiece<T>; ++e) {
      result.v[e] = values[e];
      const int channel = column + e;
      if (channel >= p.result_channels) continue;
      if (p.bias != nullptr) result.v[e] += p.bias[channel];
      if (p.gate != nullptr && p.gate[std::int64_t{sample} * p.result_channels + channel] == 0) result.v[e] = 0;
    }
    if (p.result_channels % kPiece<T> == 0) {
      put_floats(to, result, p.accumulate);
    } else {
      for (int e = 0; e < kPiece<T> && column + e < p.result_channels; ++e)
        to[e] = narrow<T>(p.accumulate ? widen(to[e]) + result.v[e] : result.v[e]);
    }
  });
}

// Calls start(std::integral_constant<int, columns>) with the columns of a tile: no more than there are, and fewer where
// the tiles would not fill a large GPU (twice 132 multiprocessors: an assumption, not yet measured).
template <class Start>
void with_tile_columns(std::int64_t columns, std::int64_t row_tiles, const Start& start) {
  constexpr std::int64_t kFull = 264;
  if (columns > 32 && row_tiles * ((columns + 63) / 64) >= kFull) return start(std::integral_constant<int, 64>{});
  if (columns > 16) return start(std::integral_constant<int, 32>{});
  return start(std::integral_constant<int, 16>{});
}

template <bool kWeightAlongDepth, class T>
void launch_gather(const Launch& launch, const GatherParameters<T>& p) {
  using namespace matrix_tiles;
  // The first phase has the most places.
  const std::int64_t places = std::int64_t{p.batch} * p.rows[0].places * p.columns[0].places;
  const std::int64_t tiles = (places + kLeftLines - 1) / kLeftLines;
  const auto phases = static_cast<unsigned>(p.phases * p.phases);
  with_tile_columns(p.result_channels, tiles * phases, [&](auto columns) {
    constexpr int kColumns = decltype(columns)::value;
    simt::launch<Storage<T, true, kWeightAlongDepth, kColumns>>(
        gather_product<T, kWeightAlongDepth, kColumns>,
        {static_cast<unsigned>(tiles), static_cast<unsigned>((p.result_channels + kColumns - 1) / kColumns), phases},
        {kThreads}, launch.stream, p);
  });
}

template <class T>
void forward_by_matrices(const Launch& launch, const Conv2dShape& s, const T* x, const T* weight, const float* bias,
                         const float* output_gate, T* y) {
  GatherParameters<T> p{};
  p.source = x, p.weight = weight, p.result = y, p.bias = bias, p.gate = output_gate;
  p.batch = static_cast<std::int32_t>(s.batch);
  p.height = static_cast<std::int32_t>(s.height), p.width = static_cast<std::int32_t>(s.width);
  p.source_channels = static_cast<std::int32_t>(s.channels);
  p.result_height = static_cast<std::int32_t>(s.out_height()),
  p.result_width = static_cast<std::int32_t>(s.out_width());
  p.result_channels = static_cast<std::int32_t>(s.outputs);
  p.kernel_width = static_cast<std::int32_t>(s.kernel_width), p.kernel_taps = static_cast<std::int32_t>(s.taps());
  p.phases = 1;
  p.rows[0] = forward_axis(s.out_height(), s.kernel_height, s);
  p.columns[0] = forward_axis(s.out_width(), s.kernel_width, s);
  launch_gather<true>(launch, p);
}

template <class T>
void backward_input_by_matrices(const Launch& launch, const Conv2dShape& s, const T* weight, const T* dy, T* dx,
                                bool accumulate) {
  GatherParameters<T> p{};
  p.source = dy, p.weight = weight, p.result = dx, p.accumulate = accumulate;
  p.batch = static_cast<std::int32_t>(s.batch);
  p.height = static_cast<std::int32_t>(s.out_height()), p.width = static_cast<std::int32_t>(s.out_width());
  p.source_channels = static_cast<std::int32_t>(s.outputs);
  p.result_height = static_cast<std::int32_t>(s.height), p.result_width = static_cast<std::int32_t>(s.width);
  p.result_channels = static_cast<std::int32_t>(s.channels);
  p.kernel_width = static_cast<std::int32_t>(s.kernel_width), p.kernel_taps = static_cast<std::int32_t>(s.taps());
  p.phases = static_cast<std::int32_t>(s.stride);
  for (int phase = 0; phase < p.phases; ++phase) {
    p.rows[phase] = backward_axis(s.height, s.kernel_height, phase, s);
    p.columns[phase] = backward_axis(s.width, s.kernel_width, phase, s);
  }
  launch_gather<false>(launch, p);
}

}  // namespace bsg::kernels::device
