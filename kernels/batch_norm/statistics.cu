// Mean and variance of each channel, from sums of x and x^2 in double: a GPU that trains does two such operations an
// element faster than memory brings it, and in double nothing is lost by the subtraction at the end, whatever the mean.
#include <cmath>
#include <type_traits>

#include "kernels/batch_norm/batch_norm_device.hpp"
#include "kernels/batch_norm/row_parts.hpp"
#include "kernels/common/last_block.hpp"
#include "kernels/common/vectors_device.hpp"
#include "kernels/simt/simt.hpp"

namespace bsg::kernels::device {
namespace {

__device__ void finish_channel(const BatchNormStatistics& s, std::int64_t channel, double sum, double squares,
                               double rows) {
  const double mean = sum / rows, about_mean = squares / rows - mean * mean;
  const double variance = about_mean < 0 ? 0 : about_mean;  // NaN stays
  s.mean[channel] = mean;
  s.inverse_deviation[channel] = 1 / std::sqrt(variance + s.epsilon);
  if (s.running_mean == nullptr) return;
  const auto move = [&](float& running, double target) {
    const auto old = static_cast<double>(running);
    running = static_cast<float>(old + s.momentum * (target - old));
  };
  move(s.running_mean[channel], mean);
  move(s.running_var[channel], variance * rows / (rows - 1));
}

template <class T, int vector>
__global__ void __launch_bounds__(kColumnThreads)
    batch_moments(BatchNormRows shape, RowParts parts, const T* x, BatchNormStatistics statistics,
                  BatchNormScratch scratch) {
  auto& s = simt::shared<ColumnSums<vector, double>>();
  const ColumnPlace place(parts.columns, simt::block().y, vector);
  const bool inside = place.channel < shape.channels;
  const std::int64_t part = simt::block().x, end = parts.end(part, shape.rows);
  double sum[vector] = {}, squares[vector] = {};
  for (std::int64_t row = parts.begin(part) + place.row; inside && row < end; row += place.rows) {
    const auto v = load_floats<vector>(x + row * shape.channels + place.channel);
    for (int k = 0; k < vector; ++k) {
      const auto value = static_cast<double>(v.v[k]);
      sum[k] += value;
      squares[k] = std::fma(value, value, squares[k]);
    }
  }
  sum_rows(s, parts.columns, sum);
  simt::sync_block();
  sum_rows(s, parts.columns, squares);
  if (place.row == 0 && inside) {
    double* to = scratch.partials + 2 * part * shape.channels + place.channel;
    for (int k = 0; k < vector; ++k) {
      to[k] = sum[k];
      to[shape.channels + k] = squares[k];
    }
  }
  if (!last_block(scratch.tickets + simt::block().y, simt::grid_size().x)) return;
  const std::int64_t first = static_cast<std::int64_t>(simt::block().y) * parts.columns * vector;
  for (std::int64_t c = first + simt::thread().x; c < first + parts.columns * vector && c < shape.channels;
       c += kColumnThreads) {
    double all = 0, all_squares = 0;
    for (std::int64_t p = 0; p < parts.count; ++p) {
      all += scratch.partials[2 * p * shape.channels + c];
      all_squares += scratch.partials[(2 * p + 1) * shape.channels + c];
    }
    finish_channel(statistics, c, all, all_squares, static_cast<double>(shape.rows));
  }
}

struct RunningStatistics {
  BatchNormStatistics s;
  template <int N>
  __device__ void at(std::int64_t c) const {
    s.mean[c] = static_cast<double>(s.running_mean[c]);
    s.inverse_deviation[c] = 1 / std::sqrt(static_cast<double>(s.running_var[c]) + s.epsilon);
  }
};

}  // namespace

std::int64_t batch_norm_partials(const BatchNormRows& shape) { return 2 * RowParts::kMostParts * shape.channels; }

// One a tile, of which there are most where each thread has one channel.
std::int64_t batch_norm_tickets(const BatchNormRows& shape) { return (shape.channels + 31) / 32; }

template <class T>
void batch_norm_statistics(const Launch& launch, const BatchNormRows& shape, const T* x,
                           const BatchNormStatistics& statistics, const BatchNormScratch& scratch) {
  with_channel_vector<T>(shape.channels, [&](auto n) {
    constexpr int vector = decltype(n)::value;
    const ColumnTiles tiles(shape.channels, vector);
    const RowParts parts(shape.rows, tiles);
    simt::launch<ColumnSums<vector, double>>(
        batch_moments<T, vector>, {static_cast<unsigned>(parts.count), tiles.tiles, 1}, {kColumnThreads, 1, 1},
        launch.stream, shape, parts, x, statistics, scratch);
  });
}

void batch_norm_running(const Launch& launch, std::int64_t channels, const BatchNormStatistics& statistics) {
  launch_each_element<1>(launch.stream, channels, true, RunningStatistics{statistics});
}

template void batch_norm_statistics<float>(const Launch&, const BatchNormRows&, const float*,
                                           const BatchNormStatistics&, const BatchNormScratch&);
template void batch_norm_statistics<simt::bfloat16>(const Launch&, const BatchNormRows&, const simt::bfloat16*,
                                                    const BatchNormStatistics&, const BatchNormScratch&);

}  // namespace bsg::kernels::device
