#include <algorithm>

#include "kernels/gated_conv/methods.hpp"

namespace bsg::kernels::cpu {
namespace {

std::int64_t blocks(std::int64_t count, std::int64_t size) { return (count + size - 1) / size; }

// How the output plane is cut into vectors, row by row.
struct Cut {
  enum class Kind { row, plane, row_pair };
  Kind kind;
  std::int64_t vectors;
};

Cut choose_cut(const PlaneLayout& y, bool rows_join, std::int64_t lanes) {
  Cut best{Cut::Kind::row, y.height * blocks(y.width, lanes)};
  const auto offer = [&](Cut::Kind kind, std::int64_t vectors) {
    if (vectors < best.vectors) best = {kind, vectors};
  };
  if (rows_join) offer(Cut::Kind::plane, blocks((y.height - 1) * y.row() + y.width, lanes));
  if (lanes >= 2 && y.width <= lanes / 2) offer(Cut::Kind::row_pair, blocks(y.height, 2));
  return best;
}

bool rows_join(const PlaneLayout& x, const PlaneLayout& y, const ResidualLayout* residual) {
  return x.row() == y.row() && (residual == nullptr || residual->planes.row() == y.row());
}

DirectGeometry direct_geometry(const PlaneLayout& x, const ConvWindow& window, const PlaneLayout& y,
                               const ResidualLayout* residual) {
  DirectGeometry geometry;
  const std::int64_t first = x.offset(-window.padding, -window.padding);
  for (std::int64_t r = 0; r < window.height; ++r)
    for (std::int64_t s = 0; s < window.width; ++s)
      geometry.taps.push_back(x.offset(r * window.dilation - window.padding, s * window.dilation - window.padding) -
                              first);
  geometry.square3 = window.height == 3 && window.width == 3 && window.stride == 1 && window.dilation == 1;

  const auto lanes = static_cast<std::int64_t>(vector_lanes());
  const auto add = [&](std::int64_t i, std::int64_t j, auto&& stored) {
    const std::int64_t from = residual != nullptr ? residual->planes.offset(0, 0) + i * residual->planes.row() + j : 0;
    DirectGeometry::Spot spot{static_cast<std::int32_t>(first + i * x.row() + j),
                              static_cast<std::int32_t>(y.offset(0, 0) + i * y.row() + j),
                              static_cast<std::int32_t>(from), true, 0};
    for (std::int64_t lane = 0; lane < lanes; ++lane) {
      if (stored(lane)) {
        spot.lanes |= std::uint64_t{1} << lane;
      } else {
        spot.whole = false;
      }
    }
    geometry.spots.push_back(spot);
  };
  switch (choose_cut(y, rows_join(x, y, residual), lanes).kind) {
    case Cut::Kind::row:
      for (std::int64_t i = 0; i < y.height; ++i)
        for (std::int64_t j = 0; j < y.width; j += lanes)
          add(i, j, [&](std::int64_t lane) { return j + lane < y.width; });
      break;
    case Cut::Kind::plane:
      for (std::int64_t at = 0; at < (y.height - 1) * y.row() + y.width; at += lanes)
        add(at / y.row(), at % y.row(),
            [&](std::int64_t lane) { return (at + lane) % y.row() < y.width && (at + lane) / y.row() < y.height; });
      break;
    case Cut::Kind::row_pair:
      geometry.row_pairs = true;
      for (std::int64_t i = 0; i < y.height; i += 2)
        add(i, 0, [&](std::int64_t lane) { return lane % (lanes / 2) < y.width && i + lane / (lanes / 2) < y.height; });
      break;
  }
  return geometry;
}

// Tile rows of a group: as many as leave the fewest lanes of its vectors empty, up to a block's.
std::int64_t group_rows(std::int64_t columns, std::int64_t most, std::int64_t lanes) {
  std::int64_t best = 1;
  const auto filled = [&](std::int64_t rows) {
    return static_cast<double>(rows * columns) / static_cast<double>(blocks(rows * columns, lanes) * lanes);
  };
  for (std::int64_t rows = 2; rows <= most; ++rows)
    if (filled(rows) > filled(best)) best = rows;
  return best;
}

WinogradGeometry winograd_geometry(const PlaneLayout& x, const ConvWindow& window, const PlaneLayout& y,
                                   const ResidualLayout* residual, WeightOrder order) {
  constexpr std::int64_t kTiles = 128;  // of a block, if its rows are not longer
  constexpr std::int64_t kLine = 16;
  const auto odd_lines = [](std::int64_t elements) { return (blocks(elements, kLine) | 1) * kLine; };
  WinogradGeometry w;
  w.dilation = window.dilation;
  w.rows = blocks(blocks(y.height, w.dilation), 2);
  w.columns = blocks(blocks(y.width, w.dilation), 2);
  const std::int64_t most = std::clamp<std::int64_t>(kTiles / w.columns, 1, w.rows);
  w.group_rows = group_rows(w.columns, most, static_cast<std::int64_t>(vector_lanes()));
  w.group_tiles = blocks(w.group_rows * w.columns, kLine) * kLine;
  w.block_rows = most / w.group_rows * w.group_rows;
  w.block_tiles = odd_lines(w.block_rows / w.group_rows * w.group_tiles);
  // Behind the last channel's tiles, a row that is shorter than a vector is written to its end.
  w.input = odd_lines(x.channels * w.block_tiles + kLine);
  w.order = order;
  w.weight_position = order == WeightOrder::outputs ? x.channels : x.channels * WinogradGeometry::kBlock;
  w.weight_output = order == WeightOrder::outputs ? odd_lines(WinogradGeometry::kPositions * w.weight_position)
                                                  : WinogradGeometry::kPositions * w.weight_position;
  w.x = x.offset(-window.padding, -window.padding);
  w.y = y.offset(0, 0);
  w.residual = residual != nullptr ? residual->planes.offset(0, 0) : 0;
  w.height = y.height;
  w.width = y.width;
  w.x_height = x.height + 2 * window.padding;
  w.x_width = x.width + 2 * window.padding;
  w.phase_plane = WinogradGeometry::kPositions *
                  (w.input + blocks(y.channels, WinogradGeometry::kBlock) * WinogradGeometry::kBlock * w.group_tiles);
  w.phase_row = 2 * std::max(w.columns, kLine) + 2;  // a short row is read to the end of a vector
  return w;
}

// Compares the methods' processor cycles for a sample, in units of one vector's multiplication and addition. What the
// sums pass through afterwards, and the transforms, take as long as so many of these (NOTES.md).
constexpr std::int64_t kFinishVector = 6, kTransformInput = 80, kTransformOutput = 90;
// The same of a pixel that is copied, of x and of y, where a dilation keeps vectors from doing it.
constexpr std::int64_t kCopyPixel = 2, kScatterPixel = 4;

ConvMethod cheaper_method(const PlaneLayout& x, const ConvWindow& window, const PlaneLayout& y,
                          const ResidualLayout* residual) {
  if (window.height != 3 || window.width != 3 || window.stride != 1) return ConvMethod::direct;
  const auto lanes = static_cast<std::int64_t>(vector_lanes());
  const std::int64_t pairs = x.channels * y.channels;
  const std::int64_t direct =
      choose_cut(y, rows_join(x, y, residual), lanes).vectors * (9 * pairs + kFinishVector * y.channels);
  const WinogradGeometry w = winograd_geometry(x, window, y, residual, WeightOrder::outputs);
  const std::int64_t vectors =
      w.dilation * w.dilation * blocks(w.rows, w.group_rows) * blocks(w.group_rows * w.columns, lanes);
  std::int64_t winograd =
      vectors * (WinogradGeometry::kPositions * pairs + kTransformInput * x.channels + kTransformOutput * y.channels);
  if (w.dilation > 1) winograd += y.height * y.width * (kCopyPixel * x.channels + kScatterPixel * y.channels);
  return winograd < direct ? ConvMethod::winograd : ConvMethod::direct;
}

// G w G^T of one pair's taps, to places `step` apart.
void transform_weight(const float* w, float* to, std::int64_t step) {
  const auto across = [](double a, double b, double c, double(&out)[4]) {
    out[0] = a;
    out[1] = (a + b + c) / 2;
    out[2] = (a - b + c) / 2;
    out[3] = c;
  };
  double rows[3][4];
  for (int i = 0; i < 3; ++i) across(w[3 * i], w[3 * i + 1], w[3 * i + 2], rows[i]);
  for (int j = 0; j < 4; ++j) {
    double column[4];
    across(rows[0][j], rows[1][j], rows[2][j], column);
    for (int i = 0; i < 4; ++i) to[(4 * i + j) * step] = static_cast<float>(column[i]);
  }
}

}  // namespace

ConvGeometry::ConvGeometry(const PlaneLayout& x, const ConvWindow& window, const PlaneLayout& y,
                           const ResidualLayout* residual, WeightOrder order)
    : ConvGeometry(x, window, y, residual, cheaper_method(x, window, y, residual), order) {}

ConvGeometry::ConvGeometry(const PlaneLayout& x, const ConvWindow& window, const PlaneLayout& y,
                           const ResidualLayout* residual, ConvMethod by, WeightOrder order)
    : method(by),
      x_row(x.row()),
      x_plane(x.plane()),
      x_channels(x.channels),
      y_row(y.row()),
      y_plane(y.plane()),
      y_channels(y.channels) {
  if (residual != nullptr) {
    residual_row = residual->planes.row();
    residual_plane = residual->planes.plane();
  }
  if (method == ConvMethod::direct) direct = direct_geometry(x, window, y, residual);
  if (method == ConvMethod::winograd) winograd = winograd_geometry(x, window, y, residual, order);
}

std::int64_t ConvGeometry::scratch() const {
  if (method == ConvMethod::direct) return 0;
  const WinogradGeometry& w = winograd;
  return w.phase_plane + (w.dilation > 1 ? (2 * w.block_rows + 2) * w.phase_row : 0);
}

std::vector<float> lay_out_weights(const ConvGeometry& geometry, const std::vector<float>& weight) {
  if (geometry.method == ConvMethod::direct) return weight;
  constexpr std::int64_t kBlock = WinogradGeometry::kBlock;
  const WinogradGeometry& w = geometry.winograd;
  const bool by_inputs = w.order == WeightOrder::inputs;
  const std::int64_t channels = geometry.x_channels, outputs = geometry.y_channels;
  std::vector<float> transformed(
      static_cast<std::size_t>((by_inputs ? blocks(outputs, kBlock) : outputs) * w.weight_output));
  for (std::int64_t k = 0; k < outputs; ++k) {
    float* const to =
        transformed.data() + (by_inputs ? k / kBlock * w.weight_output + k % kBlock : k * w.weight_output);
    for (std::int64_t c = 0; c < channels; ++c)
      transform_weight(weight.data() + (k * channels + c) * 9, to + (by_inputs ? c * kBlock : c), w.weight_position);
  }
  return transformed;
}

void gated_conv(const GatedConv& arguments) {
  arguments.geometry->method == ConvMethod::direct ? direct_conv(arguments) : winograd_conv(arguments);
}

}  // namespace bsg::kernels::cpu
