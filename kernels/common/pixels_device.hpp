// The loop of kernels that compute each pixel of a channels-last image by itself.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/simt/simt.hpp"

namespace bsg::kernels::device {

// Channels channel to channel + N - 1 of one pixel; at: its first element's index.
struct PixelPlace {
  unsigned sample, row, column, channel;
  std::int64_t at;
};

struct PixelGrid {
  PixelGrid(std::int64_t samples, std::int64_t image_height, std::int64_t image_width, std::int64_t channels,
            int vector)
      : rows(static_cast<unsigned>(samples * image_height)),
        height(static_cast<unsigned>(image_height)),
        width(static_cast<unsigned>(image_width)),
        vectors(static_cast<unsigned>(channels / vector)) {
    // A block takes as many whole rows as give each of its threads something to do.
    const std::uint64_t in_row = static_cast<std::uint64_t>(width) * vectors;
    block_rows = static_cast<unsigned>(std::clamp<std::uint64_t>(kThreads / std::max<std::uint64_t>(in_row, 1), 1, 64));
  }
  static constexpr unsigned kThreads = 256;

  unsigned blocks() const { return width == 0 || vectors == 0 ? 0 : (rows + block_rows - 1) / block_rows; }

  unsigned rows, height, width, vectors;  // rows of all samples; vectors of channels in a pixel
  unsigned block_rows;
};

// function.template at<N>(place) for every place of the grid.
template <int N, class Function>
__global__ void __launch_bounds__(PixelGrid::kThreads, 4) each_pixel(PixelGrid grid, Function function) {
  const unsigned in_row = grid.width * grid.vectors;
  const unsigned first_row = simt::block().x * grid.block_rows;
  const unsigned left = grid.rows - first_row;
  const unsigned count = (left < grid.block_rows ? left : grid.block_rows) * in_row;
  for (unsigned i = simt::thread().x; i < count; i += PixelGrid::kThreads) {
    const unsigned row = first_row + i / in_row, in = i % in_row;
    const std::int64_t at = (static_cast<std::int64_t>(first_row) * in_row + i) * N;
    function.template at<N>(
        PixelPlace{row / grid.height, row % grid.height, in / grid.vectors, in % grid.vectors * N, at});
  }
}

template <int N, class Function>
void launch_each_pixel(void* stream, const PixelGrid& grid, const Function& function) {
  simt::launch(each_pixel<N, Function>, {grid.blocks()}, {PixelGrid::kThreads}, stream, grid, function);
}

}  // namespace bsg::kernels::device
