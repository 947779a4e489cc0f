#include <algorithm>
#include <vector>

#include <omp.h>

#include "kernels/conv2d/winograd.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv2d/winograd_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/conv2d/active_list.hpp"
#include "kernels/conv2d/geometry.hpp"
#include "kernels/conv2d/winograd_input-inl.hpp"

#ifndef BSG_WINOGRAD_ARGUMENTS
#define BSG_WINOGRAD_ARGUMENTS
namespace bsg::kernels::cpu {
namespace {

template <class T>
struct SampleArguments {
  WinogradInput<T> in;
  const T* weight;  // transformed: [position][channels][outputs]
  std::int64_t weight_position;
  const T* bias;
  const std::int64_t* active_outputs;
  std::int64_t outputs;
  T* y;  // the sample's
  bool accumulate;
  T* products;  // [active output][position][tile]
};

}  // namespace
}  // namespace bsg::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace bsg::kernels::cpu::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

constexpr bool kManyRegisters = HWY_TARGET == HWY_AVX3;
constexpr int kOutputs = kManyRegisters ? 4 : 6;  // of the register tile
constexpr int kVectors = kManyRegisters ? 4 : 2;
constexpr int kLoneOutputs = kManyRegisters ? 16 : 8;  // where a band is a single vector

// One band: rows of tiles from first_row on, and their transformed inputs.
template <class T>
struct Band {
  std::int64_t first_row, rows;
  const T* input;
};

// kR outputs x kP vectors of tiles at one position: the sum over the active inputs of weight times transformed input.
template <int kR, int kP, class D, class T>
HWY_INLINE void multiply_tile(D d, const SampleArguments<T>& a, const Band<T>& band, std::int64_t position,
                              std::int64_t output, std::int64_t tile) {
  using V = hn::Vec<D>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const WinogradBands& bands = *a.in.bands;
  const T* weight[kR];
  V sum[kR][kP];
  for (int r = 0; r < kR; ++r) {
    weight[r] = a.weight + position * a.weight_position + a.active_outputs[output + r];
    for (int p = 0; p < kP; ++p) sum[r][p] = hn::Zero(d);
  }
  const T* input = band.input + position * bands.position + tile;
  for (std::int64_t i = 0; i < a.in.inputs; ++i, input += bands.tiles) {
    const std::int64_t at = a.in.active_inputs[i] * a.in.shape->outputs;
    V x[kP];
    for (int p = 0; p < kP; ++p) x[p] = hn::LoadU(d, input + p * lanes);
    for (int r = 0; r < kR; ++r) {
      const V w = hn::Set(d, weight[r][at]);
      for (int p = 0; p < kP; ++p) sum[r][p] = hn::MulAdd(w, x[p], sum[r][p]);
    }
  }
  T* const to = a.products + output * bands.product + position * bands.tiles + tile;
  for (int r = 0; r < kR; ++r)
    for (int p = 0; p < kP; ++p) hn::StoreU(sum[r][p], d, to + r * bands.product + p * lanes);
}

// All active outputs: kR at a time, then a half of that, and so on down to one.
template <int kR, int kP, class D, class T>
void multiply_outputs(D d, const SampleArguments<T>& a, const Band<T>& band, std::int64_t position, std::int64_t output,
                      std::int64_t tile) {
  for (; output + kR <= a.outputs; output += kR) multiply_tile<kR, kP>(d, a, band, position, output, tile);
  if constexpr (kR > 1) multiply_outputs<kR / 2, kP>(d, a, band, position, output, tile);
}

template <class D, class T>
void multiply(D d, const SampleArguments<T>& a, const Band<T>& band) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t vectors = (band.rows * a.in.shape->tile_columns() + lanes - 1) / lanes;
  for (std::int64_t position = 0; position < kWinogradPositions; ++position) {
    std::int64_t v = 0;
    for (; v + kVectors <= vectors; v += kVectors)
      multiply_outputs<kOutputs, kVectors>(d, a, band, position, 0, v * lanes);
    for (; v < vectors; ++v) multiply_outputs<kLoneOutputs, 1>(d, a, band, position, 0, v * lanes);
  }
}

// A^T m A of one output's tiles in a band: from [position][tile] to 2x2 pixels each.
template <class D, class T>
HWY_INLINE void transform_output(D d, const SampleArguments<T>& a, const Band<T>& band, const T* from, T bias, T* y) {
  using V = hn::Vec<D>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t columns = a.in.shape->tile_columns(), height = a.in.shape->out_height(),
                     width = a.in.shape->out_width();
  const std::int64_t step = a.in.bands->tiles;
  const V start = hn::Set(d, bias);
  HWY_ALIGN T pixels[2 * kMaxLanes];
  for (std::int64_t row = 0; row < band.rows; ++row)
    for (std::int64_t column = 0; column < columns; column += lanes) {
      const T* const tile = from + row * columns + column;
      V upper[4], lower[4];
      for (int j = 0; j < 4; ++j) {
        const V m0 = hn::LoadU(d, tile + j * step), m1 = hn::LoadU(d, tile + (4 + j) * step),
                m2 = hn::LoadU(d, tile + (8 + j) * step), m3 = hn::LoadU(d, tile + (12 + j) * step);
        upper[j] = hn::Add(hn::Add(m0, m1), m2);
        lower[j] = hn::Sub(hn::Sub(m1, m2), m3);
      }
      const std::int64_t count = std::min(2 * lanes, width - 2 * column);
      const auto put = [&](const V(&m)[4], std::int64_t at) HWY_ATTR {
        const V even = hn::Add(hn::Add(hn::Add(m[0], m[1]), m[2]), start);
        const V odd = hn::Add(hn::Sub(hn::Sub(m[1], m[2]), m[3]), start);
        T* const to = y + at * width + 2 * column;
        if (count == 2 * lanes && !a.accumulate) {
          hn::StoreInterleaved2(even, odd, d, to);
          return;
        }
        hn::StoreInterleaved2(even, odd, d, pixels);
        if (count == 2 * lanes) {
          hn::StoreU(hn::Add(hn::LoadU(d, to), hn::LoadU(d, pixels)), d, to);
          hn::StoreU(hn::Add(hn::LoadU(d, to + lanes), hn::LoadU(d, pixels + lanes)), d, to + lanes);
          return;
        }
        for (std::int64_t i = 0; i < count; ++i) to[i] = a.accumulate ? to[i] + pixels[i] : pixels[i];
      };
      const std::int64_t at = 2 * (band.first_row + row);
      put(upper, at);
      if (at + 1 < height) put(lower, at + 1);
    }
}

template <class T>
void sample(const SampleArguments<T>& a) {
  const hn::ScalableTag<T> whole;
  const WinogradShape& s = *a.in.shape;
  const WinogradBands& bands = *a.in.bands;
  for (std::int64_t group = 0; group < s.tile_rows(); group += bands.group_rows()) {
    transform_group(a.in, group);
    for (std::int64_t row = group; row < std::min(s.tile_rows(), group + bands.group_rows()); row += bands.rows) {
      const Band<T> band{row, std::min(bands.rows, s.tile_rows() - row), a.in.tiles_at(row - group)};
      multiply(whole, a, band);
      const std::int64_t plane = s.out_height() * s.out_width(), pixel = 2 * row * s.out_width();
      const std::int64_t pixels = std::min(2 * band.rows * s.out_width(), plane - pixel);
      with_lanes_for(whole, s.tile_columns(), [&](auto d) HWY_ATTR {
        for (std::int64_t k = 0; k < a.outputs; ++k) {
          const std::int64_t output = a.active_outputs[k];
          if (k + 2 < a.outputs) prefetch(a.y + a.active_outputs[k + 2] * plane + pixel, pixels);
          transform_output(d, a, band, a.products + k * bands.product, a.bias != nullptr ? a.bias[output] : T{0},
                           a.y + output * plane);
        }
      });
    }
  }
}

void sample_f32(const SampleArguments<float>& a) { sample(a); }
void sample_f64(const SampleArguments<double>& a) { sample(a); }

}  // namespace
}  // namespace bsg::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bsg::kernels::cpu {
namespace {

HWY_EXPORT(sample_f32);
HWY_EXPORT(sample_f64);

void run(const SampleArguments<float>& a) { HWY_DYNAMIC_DISPATCH(sample_f32)(a); }
void run(const SampleArguments<double>& a) { HWY_DYNAMIC_DISPATCH(sample_f64)(a); }

// G w G^T of one pair's taps, to position-strided places.
template <class T>
void transform_weight(const T* w, bool turned, T* to, std::int64_t step) {
  T rows[4][3];
  for (int j = 0; j < 3; ++j) {
    const auto tap = [&](int i) { return turned ? w[8 - 3 * i - j] : w[3 * i + j]; };
    const T outer = tap(0) + tap(2);
    rows[0][j] = tap(0);
    rows[1][j] = (outer + tap(1)) / 2;
    rows[2][j] = (outer - tap(1)) / 2;
    rows[3][j] = tap(2);
  }
  for (std::int64_t i = 0; i < 4; ++i) {
    const T outer = rows[i][0] + rows[i][2];
    to[(4 * i) * step] = rows[i][0];
    to[(4 * i + 1) * step] = (outer + rows[i][1]) / 2;
    to[(4 * i + 2) * step] = (outer - rows[i][1]) / 2;
    to[(4 * i + 3) * step] = rows[i][2];
  }
}

// Elements from one position of the transformed weights to the next: again no power of two.
std::int64_t weight_position(const WinogradShape& s) { return s.channels * s.outputs + kMaxLanes; }

}  // namespace

bool winograd_pays(const Conv2dShape& s) {
  constexpr std::int64_t kChannels = 8;  // fewer do not pay for the transforms of the other side
  constexpr std::int64_t kTiles = 128;   // of the batch: fewer do not pay for the weight's transform
  return s.kernel_height == 3 && s.kernel_width == 3 && s.stride == 1 && s.dilation == 1 && s.padding <= 2 &&
         s.channels >= kChannels && s.outputs >= kChannels && s.batch * s.out_height() * s.out_width() >= 4 * kTiles;
}

WinogradShape winograd_forward_shape(const Conv2dShape& s) {
  return {s.batch, s.channels, s.height, s.width, s.outputs, s.padding};
}

WinogradShape winograd_backward_input_shape(const Conv2dShape& s) {
  return {s.batch, s.outputs, s.out_height(), s.out_width(), s.channels, 2 - s.padding};
}

std::int64_t winograd_workspace(const WinogradShape& shape, int threads) {
  const WinogradBands bands(shape);
  return kWinogradPositions * weight_position(shape) + threads * (bands.scratch + shape.outputs * bands.product) +
         kMaxLanes;
}

template <class T>
void winograd_convolution(const Launch& launch, const WinogradShape& s, const T* x, const WinogradWeight<T>& weight,
                          const T* bias, const T* input_gate, const T* output_gate, T* y, bool accumulate,
                          T* workspace) {
  const WinogradBands bands(s);
  const int threads = static_cast<int>(std::clamp<std::int64_t>(s.batch, 1, launch.threads));
#pragma omp parallel num_threads(threads)
  {
#pragma omp for schedule(static)
    for (std::int64_t c = 0; c < s.channels; ++c)
      for (std::int64_t k = 0; k < s.outputs; ++k)
        transform_weight(weight.weight + k * weight.output_step + c * weight.channel_step, weight.turned,
                         workspace + c * s.outputs + k, weight_position(s));
    const std::int64_t each = bands.scratch + s.outputs * bands.product;
    T* const scratch = workspace + kWinogradPositions * weight_position(s) + omp_get_thread_num() * each;
    std::fill_n(scratch, each, T{0});
    std::vector<std::int64_t> inputs, outputs;
    SampleArguments<T> a{.in = WinogradInput<T>(s, bands, scratch),
                         .weight = workspace,
                         .weight_position = weight_position(s),
                         .bias = bias,
                         .accumulate = accumulate,
                         .products = scratch + bands.scratch};
#pragma omp for schedule(dynamic, samples_at_a_time(s.batch, threads))
    for (std::int64_t n = 0; n < s.batch; ++n) {
      list_active(input_gate == nullptr ? nullptr : input_gate + n * s.channels, s.channels, inputs);
      list_active(output_gate == nullptr ? nullptr : output_gate + n * s.outputs, s.outputs, outputs);
      a.in.take(x + n * s.channels * s.height * s.width, inputs);
      a.y = y + n * s.outputs * s.out_height() * s.out_width();
      a.active_outputs = outputs.data();
      a.outputs = static_cast<std::int64_t>(outputs.size());
      run(a);
    }
  }
}

template void winograd_convolution<float>(const Launch&, const WinogradShape&, const float*,
                                          const WinogradWeight<float>&, const float*, const float*, const float*,
                                          float*, bool, float*);
template void winograd_convolution<double>(const Launch&, const WinogradShape&, const double*,
                                           const WinogradWeight<double>&, const double*, const double*, const double*,
                                           double*, bool, double*);

}  // namespace bsg::kernels::cpu
#endif
