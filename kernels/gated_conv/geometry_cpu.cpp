#include <algorithm>

#include "kernels/gated_conv/gated_conv.hpp"
#include "kernels/gated_conv/vectors.hpp"

namespace bsg::kernels::cpu {
namespace {

// Positions of the output plane, row by row, cut into vectors.
struct Cut {
  enum class Kind { row, plane, row_pair };
  Kind kind;
  std::int64_t vectors;
};

std::int64_t blocks(std::int64_t count, std::int64_t size) { return (count + size - 1) / size; }

Cut choose_cut(std::int64_t height, std::int64_t width, std::int64_t row, bool rows_join, std::int64_t lanes) {
  Cut best{Cut::Kind::row, height * blocks(width, lanes)};
  const auto offer = [&](Cut::Kind kind, std::int64_t vectors) {
    if (vectors < best.vectors) best = {kind, vectors};
  };
  if (rows_join) offer(Cut::Kind::plane, blocks((height - 1) * row + width, lanes));
  if (lanes >= 2 && width <= lanes / 2) offer(Cut::Kind::row_pair, blocks(height, 2));
  return best;
}

}  // namespace

ConvGeometry::ConvGeometry(const PlaneLayout& x, const ConvWindow& window, const PlaneLayout& y,
                           const ResidualLayout* residual)
    : x_row(x.row()),
      x_plane(x.plane()),
      x_channels(x.channels),
      y_row(y.row()),
      y_plane(y.plane()),
      residual_row(residual != nullptr ? residual->planes.row() : 0),
      residual_plane(residual != nullptr ? residual->planes.plane() : 0) {
  const std::int64_t first = x.offset(-window.padding, -window.padding);
  for (std::int64_t r = 0; r < window.height; ++r)
    for (std::int64_t s = 0; s < window.width; ++s)
      taps.push_back(x.offset(r * window.dilation - window.padding, s * window.dilation - window.padding) - first);
  square3 = window.height == 3 && window.width == 3 && window.stride == 1 && window.dilation == 1;

  const std::int64_t y_first = y.offset(0, 0);
  const std::int64_t residual_first = residual != nullptr ? residual->planes.offset(0, 0) : 0;
  const auto lanes = static_cast<std::int64_t>(vector_lanes());
  const bool rows_join = x_row == y_row && (residual == nullptr || residual_row == y_row);
  const auto add = [&](std::int64_t i, std::int64_t j, auto&& stored) {
    Spot spot{static_cast<std::int32_t>(first + i * x_row + j), static_cast<std::int32_t>(y_first + i * y_row + j),
              static_cast<std::int32_t>(residual_first + i * residual_row + j), true, 0};
    for (std::int64_t lane = 0; lane < lanes; ++lane) {
      if (stored(lane)) {
        spot.lanes |= std::uint64_t{1} << lane;
      } else {
        spot.whole = false;
      }
    }
    spots.push_back(spot);
  };
  switch (choose_cut(y.height, y.width, y_row, rows_join, lanes).kind) {
    case Cut::Kind::row:
      for (std::int64_t i = 0; i < y.height; ++i)
        for (std::int64_t j = 0; j < y.width; j += lanes)
          add(i, j, [&](std::int64_t lane) { return j + lane < y.width; });
      break;
    case Cut::Kind::plane:
      for (std::int64_t at = 0; at < (y.height - 1) * y_row + y.width; at += lanes)
        add(at / y_row, at % y_row,
            [&](std::int64_t lane) { return (at + lane) % y_row < y.width && (at + lane) / y_row < y.height; });
      break;
    case Cut::Kind::row_pair:
      row_pairs = true;
      for (std::int64_t i = 0; i < y.height; i += 2)
        add(i, 0, [&](std::int64_t lane) { return lane % (lanes / 2) < y.width && i + lane / (lanes / 2) < y.height; });
      break;
  }
}

}  // namespace bsg::kernels::cpu
