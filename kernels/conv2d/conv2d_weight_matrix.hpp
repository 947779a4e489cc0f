// Internal to this family: the gradient of the weight as a product over positions, [taps * C, positions] times
// [positions, K]. Both operands lie along their lines, so that a tile has a row for each position.
#pragma once

#include "kernels/common/matrix_tiles.hpp"
#include "kernels/conv2d/conv2d_matrix.hpp"

namespace bsg::kernels::device {

template <class T>
struct WeightGradientParameters {
  const T *x, *dy;
  float* partial;  // [parts, K, taps * C]
  std::int32_t positions, part;
  std::int32_t height, width, channels, outputs, out_height, out_width;
  std::int32_t kernel_width, taps, stride, padding, dilation;
};

// A position of y, and how it walks by a fixed number of positions: without divisions.
struct PositionWalk {
  std::int32_t sample = 0, row = 0, column = 0;

  static __device__ PositionWalk of(std::int32_t position, std::int32_t height, std::int32_t width) {
    return {position / width / height, position / width % height, position % width};
  }
  __device__ void advance(const PositionWalk& by, std::int32_t height, std::int32_t width) {
    column += by.column;
    int carry = column >= width ? 1 : 0;
    column -= carry * width;
    row += by.row + carry;
    carry = row >= height ? 1 : 0;
    row -= carry * height;
    sample += by.sample + carry;
  }
};

// Block (x, y, z): tile x of the taps' channels, tile y of the outputs, part z of the positions.
template <class T, int kColumns>
__global__ void __launch_bounds__(matrix_tiles::kThreads, 3)
    weight_gradient_product(const WeightGradientParameters<T> p) {
  using namespace matrix_tiles;
  using Storage = matrix_tiles::Storage<T, false, false, kColumns>;
  using Left = typename Storage::Left;
  using Right = typename Storage::Right;
  auto& storage = simt::shared<Storage>();
  const int lines = p.taps * p.channels;
  const int first_line = static_cast<int>(simt::block().x) * kLeftLines;
  const int first_column = static_cast<int>(simt::block().y) * kColumns;
  const std::int64_t begin = std::int64_t{simt::block().z} * p.part;
  const int count =
      static_cast<int>(simt::minimum<std::int64_t>(simt::maximum<std::int64_t>(p.positions - begin, 0), p.part));
  const int end = static_cast<int>(begin) + count;

  // The tap and the channels of the pieces of x that this thread copies, at every position.
  const int line = first_line + Left::piece() * kPiece<T>, tap = line / p.channels;
  const int tap_row = tap / p.kernel_width * p.dilation - p.padding;
  const int tap_column = tap % p.kernel_width * p.dilation - p.padding;
  const T* const x = p.x + line % p.channels;
  int left_position = static_cast<int>(begin) + Left::first_row();
  PositionWalk at = PositionWalk::of(left_position, p.out_height, p.out_width);
  const PositionWalk rows_at_once = PositionWalk::of(Left::kRowsAtOnce, p.out_height, p.out_width);
  const int output = first_column + Right::piece() * kPiece<T>;
  int right_position = static_cast<int>(begin) + Right::first_row();

  static_assert(Left::kCopies * Left::kRowsAtOnce == kTileDepth<T>);
  const auto load = [&](Left& to_left, Right& to_right) {
#pragma unroll
    for (int i = 0; i < Left::kCopies; ++i) {
      const int row = at.row * p.stride + tap_row, column = at.column * p.stride + tap_column;
      const bool valid =
          line < lines && left_position < end && row >= 0 && row < p.height && column >= 0 && column < p.width;
      const std::int64_t pixel = (std::int64_t{at.sample} * p.height + row) * p.width + column;
      simt::copy_async_or_zero<16>(to_left.place(i), x + (valid ? pixel * p.channels : 0), valid);
      left_position += Left::kRowsAtOnce;
      at.advance(rows_at_once, p.out_height, p.out_width);
    }
    if (Right::loads()) {
#pragma unroll
      for (int i = 0; i < Right::kCopies; ++i) {
        const int position = right_position + i * Right::kRowsAtOnce;
        const bool valid = position < end && output < p.outputs;
        simt::copy_async_or_zero<16>(to_right.place(i),
                                     p.dy + (valid ? std::int64_t{position} * p.outputs + output : 0), valid);
      }
    }
    right_position += kTileDepth<T>;
  };

  const int my_first = first_line + static_cast<int>(simt::warp()) * 32;
  Sums<kColumns> sums = {};
  multiply_tiles(storage, (count + kTileDepth<T> - 1) / kTileDepth<T>, my_first < lines, load, sums);

  // Eight lanes have eight neighbours of a row of the gradient.
  float* const to = p.partial + std::int64_t{simt::block().z} * p.outputs * lines;
  const int lane = static_cast<int>(simt::lane());
#pragma unroll
  for (int m = 0; m < 2; ++m)
#pragma unroll
    for (int j = 0; j < kColumns / 8; ++j)
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int my_line = my_first + m * 16 + (lane >> 2) + (e >> 1) * 8;
        const int my_output = first_column + j * 8 + (lane & 3) * 2 + (e & 1);
        if (my_line < lines && my_output < p.outputs) to[std::int64_t{my_output} * lines + my_line] = sums[m][j][e];
      }
}

template <class T>
void backward_weight_by_matrices(const Launch& launch, const Conv2dShape& s, const T* x, const T* dy,
                                 std::int64_t parts, float* partial) {
  using namespace matrix_tiles;
  WeightGradientParameters<T> p{};
  p.x = x, p.dy = dy, p.partial = partial;
  const std::int64_t positions = s.batch * s.out_height() * s.out_width();
  p.positions = static_cast<std::int32_t>(positions);
  // Whole tiles, so that only the last part's last tile has gaps.
  const std::int64_t tiles = (positions + kTileDepth<T> - 1) / kTileDepth<T>;
  p.part = static_cast<std::int32_t>((tiles + parts - 1) / parts * kTileDepth<T>);
  p.height = static_cast<std::int32_t>(s.height), p.width = static_cast<std::int32_t>(s.width);
  p.channels = static_cast<std::int32_t>(s.channels), p.outputs = static_cast<std::int32_t>(s.outputs);
  p.out_height = static_cast<std::int32_t>(s.out_height()), p.out_width = static_cast<std::int32_t>(s.out_width());
  p.kernel_width = static_cast<std::int32_t>(s.kernel_width), p.taps = static_cast<std::int32_t>(s.taps());
  p.stride = static_cast<std::int32_t>(s.stride), p.padding = static_cast<std::int32_t>(s.padding);
  p.dilation = static_cast<std::int32_t>(s.dilation);
  const auto start = [&](auto columns) {
    constexpr int kColumns = decltype(columns)::value;
    const auto blocks = [](std::int64_t extent, int tile) { return static_cast<unsigned>((extent + tile - 1) / tile); };
    simt::launch<Storage<T, false, false, kColumns>>(
        weight_gradient_product<T, kColumns>,
        {blocks(s.taps() * s.channels, kLeftLines), blocks(s.outputs, kColumns), static_cast<unsigned>(parts)},
        {kThreads}, launch.stream, p);
  };
  if (s.outputs > 32)
    start(std::integral_constant<int, 64>{});
  else if (s.outputs > 16)
    start(std::integral_constant<int, 32>{});
  else
    start(std::integral_constant<int, 16>{});
}

}  // namespace bsg::kernels::device
