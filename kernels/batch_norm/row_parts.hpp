// How sums over the rows of an activation are cut into parts, by the shape alone.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/common/columns_device.hpp"
#include "kernels/simt/simt.hpp"

namespace bsg::kernels::device {

struct RowParts {
  // Enough blocks for a large GPU with one tile of columns, few enough to be merged by one thread a channel.
  static constexpr std::int64_t kMostParts = 256;
  // Rows that one row of threads walks before another block is worth its start.
  static constexpr std::int64_t kRowsEach = 8;

  RowParts(std::int64_t rows, const ColumnTiles& tiles) : columns(tiles.columns) {
    const std::int64_t together = kColumnThreads / tiles.columns;
    count = std::clamp<std::int64_t>(rows / (together * kRowsEach), 1,
                                     std::max<std::int64_t>(kMostParts / tiles.tiles, 16));
    size = (rows + count - 1) / count;
    count = (rows + size - 1) / std::max<std::int64_t>(size, 1);
  }
  __device__ std::int64_t begin(std::int64_t part) const { return part * size; }
  __device__ std::int64_t end(std::int64_t part, std::int64_t rows) const {
    const std::int64_t last = (part + 1) * size;
    return last < rows ? last : rows;
  }

  unsigned columns;
  std::int64_t count, size;  // parts, rows of each but the last
};

}  // namespace bsg::kernels::device
