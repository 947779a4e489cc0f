#include <algorithm>
#include <bit>
#include <vector>

#include <omp.h>

#include "kernels/conv2d/winograd.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv2d/winograd_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/conv2d/active_list.hpp"
#include "kernels/conv2d/geometry.hpp"

#ifndef BSG_WINOGRAD_ARGUMENTS
#define BSG_WINOGRAD_ARGUMENTS
namespace bsg::kernels::cpu {
namespace {

constexpr int kPositions = 16;  // of a 4x4 tile

// A sample is done in bands of tile rows, so that a band's products stay in a core's L2; the transformed inputs of
// several bands are made together, so that each channel is read in one sweep. Tile (i, j) of a band is number i *
// tile_columns + j, padded to whole vectors. All strides are odd in cache lines: powers of two would share a few sets.
struct BandLayout {
  explicit BandLayout(const WinogradShape& s) {
    constexpr std::int64_t kTiles = 64;
    constexpr std::int64_t kGroupElements = 80 * 1024;
    const std::int64_t columns = std::max<std::int64_t>(s.tile_columns(), 1);
    // A row shorter than a vector is written by the next longer power of two.
    const std::int64_t widest = static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(columns)));
    const std::int64_t overhang = columns < kMaxLanes ? std::max<std::int64_t>(widest, 4) - columns : 0;
    rows = std::clamp<std::int64_t>(kTiles / columns, 1, std::max<std::int64_t>(s.tile_rows(), 1));
    tiles = (rows * columns + overhang + kMaxLanes - 1) / kMaxLanes * kMaxLanes;
    position = s.channels * tiles + kMaxLanes;
    input = kPositions * position;
    bands = std::clamp<std::int64_t>(kGroupElements / input, 1, (s.tile_rows() + rows - 1) / rows);
    product = kPositions * tiles + kMaxLanes;
    plane_row = 2 * (columns + overhang) + 2;
    plane = ((2 * s.tile_rows() + 2) * plane_row + kMaxLanes - 1) / kMaxLanes * kMaxLanes;
    scratch = bands * input + s.outputs * product + plane;
  }
  std::int64_t rows, tiles;       // of a band
  std::int64_t position, input;   // elements from one position, one band of transformed inputs to the next
  std::int64_t bands;             // of a group
  std::int64_t product;           // from one output's products to the next
  std::int64_t plane_row, plane;  // of one channel's padded copy
  std::int64_t scratch;           // of a thread
};

template <class T>
struct SampleArguments {
  const WinogradShape* shape;
  const BandLayout* layout;
  const T* x;       // the sample's
  const T* weight;  // transformed: [position][channels][outputs]
  std::int64_t weight_position;
  const T* bias;
  const std::int64_t* active_inputs;
  std::int64_t inputs;
  const std::int64_t* active_outputs;
  std::int64_t outputs;
  T* y;  // the sample's
  bool accumulate;
  T* input;     // [band][position][active input][tile]
  T* products;  // [active output][position][tile]
  T* plane;     // zero around the image
};

}  // namespace
}  // namespace bsg::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace bsg::kernels::cpu {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

constexpr bool kManyRegisters = HWY_TARGET == HWY_AVX3;
constexpr int kOutputs = kManyRegisters ? 4 : 6;  // of the register tile
constexpr int kVectors = kManyRegisters ? 4 : 2;
constexpr int kLoneOutputs = kManyRegisters ? 16 : 8;  // where a band is a single vector

// One row of B^T d B's right half: four neighbours d0..d3 of each tile become d0-d2, d1+d2, d2-d1, d1-d3.
template <class D, class T, class V>
HWY_INLINE void transform_row(D d, const T* row, V (&out)[4]) {
  V d0, d1, d2, d3;
  hn::LoadInterleaved2(d, row, d0, d1);
  hn::LoadInterleaved2(d, row + 2, d2, d3);
  out[0] = hn::Sub(d0, d2);
  out[1] = hn::Add(d1, d2);
  out[2] = hn::Sub(d2, d1);
  out[3] = hn::Sub(d1, d3);
}

// B^T d B of one channel's tiles: from its padded plane to [position][tile], positions `step` apart.
template <class D, class T>
HWY_INLINE void transform_input(D d, const T* plane, std::int64_t plane_row, std::int64_t rows, std::int64_t columns,
                                T* to, std::int64_t step) {
  using V = hn::Vec<D>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t begin = 0; begin < columns; begin += lanes) {
    // The last vector of a long row overlaps the one before; that of a short row reaches into the next row's place,
    // which is written later.
    const std::int64_t column = columns >= lanes ? std::min(begin, columns - lanes) : begin;
    const T* from = plane + 2 * column;
    V h0[4], h1[4], h2[4], h3[4];
    transform_row(d, from, h0);
    transform_row(d, from + plane_row, h1);
    for (std::int64_t row = 0; row < rows; ++row) {
      from += 2 * plane_row;
      transform_row(d, from, h2);
      transform_row(d, from + plane_row, h3);
      T* const tile = to + row * columns + column;
      for (int j = 0; j < 4; ++j) {
        hn::StoreU(hn::Sub(h0[j], h2[j]), d, tile + j * step);
        hn::StoreU(hn::Add(h1[j], h2[j]), d, tile + (4 + j) * step);
        hn::StoreU(hn::Sub(h2[j], h1[j]), d, tile + (8 + j) * step);
        hn::StoreU(hn::Sub(h1[j], h3[j]), d, tile + (12 + j) * step);
        h0[j] = h2[j];
        h1[j] = h3[j];
      }
    }
  }
}

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
  const BandLayout& layout = *a.layout;
  const T* weight[kR];
  V sum[kR][kP];
  for (int r = 0; r < kR; ++r) {
    weight[r] = a.weight + position * a.weight_position + a.active_outputs[output + r];
    for (int p = 0; p < kP; ++p) sum[r][p] = hn::Zero(d);
  }
  const T* input = band.input + position * layout.position + tile;
  for (std::int64_t i = 0; i < a.inputs; ++i, input += layout.tiles) {
    const std::int64_t at = a.active_inputs[i] * a.shape->outputs;
    V x[kP];
    for (int p = 0; p < kP; ++p) x[p] = hn::LoadU(d, input + p * lanes);
    for (int r = 0; r < kR; ++r) {
      const V w = hn::Set(d, weight[r][at]);
      for (int p = 0; p < kP; ++p) sum[r][p] = hn::MulAdd(w, x[p], sum[r][p]);
    }
  }
  T* const to = a.products + output * layout.product + position * layout.tiles + tile;
  for (int r = 0; r < kR; ++r)
    for (int p = 0; p < kP; ++p) hn::StoreU(sum[r][p], d, to + r * layout.product + p * lanes);
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
  const std::int64_t vectors = (band.rows * a.shape->tile_columns() + lanes - 1) / lanes;
  for (std::int64_t position = 0; position < kPositions; ++position) {
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
  const std::int64_t columns = a.shape->tile_columns(), height = a.shape->out_height(), width = a.shape->out_width();
  const std::int64_t step = a.layout->tiles;
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
        for (std::int64_t i = 0; i < count; ++i) to[i] = a.accumulate ? to[i] + pixels[i] : pixels[i];
      };
      const std::int64_t at = 2 * (band.first_row + row);
      put(upper, at);
      if (at + 1 < height) put(lower, at + 1);
    }
}

// Calls body with whole vectors, or with shorter ones where a row of tiles does not fill a half (of 128 bits at least).
template <class D, class Body>
HWY_INLINE void with_lanes_for(D d, std::int64_t columns, const Body& body) {
  if constexpr (sizeof(hn::TFromD<D>) * hn::MaxLanes(D()) > 16) {
    const hn::Half<D> half;
    if (columns <= static_cast<std::int64_t>(hn::Lanes(half))) return with_lanes_for(half, columns, body);
  }
  body(d);
}

// Copies a row of an image.
template <class D, class T>
HWY_INLINE void copy_row(D d, const T* from, std::int64_t width, T* to) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= width; i += lanes) hn::StoreU(hn::LoadU(d, from + i), d, to + i);
  for (; i < width; ++i) to[i] = from[i];
}

template <class T>
void sample(const SampleArguments<T>& a) {
  const hn::ScalableTag<T> whole;
  const WinogradShape& s = *a.shape;
  const BandLayout& layout = *a.layout;
  for (std::int64_t group = 0; group < s.tile_rows(); group += layout.bands * layout.rows) {
    const std::int64_t end = std::min(s.tile_rows(), group + layout.bands * layout.rows);
    const auto band = [&](std::int64_t row) HWY_ATTR {
      return Band<T>{row, std::min(layout.rows, end - row), a.input + (row - group) / layout.rows * layout.input};
    };
    for (std::int64_t i = 0; i < a.inputs; ++i) {
      const T* const x = a.x + a.active_inputs[i] * s.height * s.width;
      with_lanes_for(whole, s.width, [&](auto d) HWY_ATTR {
        const std::int64_t last = std::min(2 * end + 2, s.height + s.padding);
        for (std::int64_t row = std::max(2 * group, s.padding); row < last; ++row)
          copy_row(d, x + (row - s.padding) * s.width, s.width, a.plane + row * layout.plane_row + s.padding);
      });
      with_lanes_for(whole, s.tile_columns(), [&](auto d) HWY_ATTR {
        for (std::int64_t row = group; row < end; row += layout.rows)
          transform_input(d, a.plane + 2 * row * layout.plane_row, layout.plane_row, band(row).rows, s.tile_columns(),
                          a.input + (row - group) / layout.rows * layout.input + i * layout.tiles, layout.position);
      });
    }
    for (std::int64_t row = group; row < end; row += layout.rows) {
      multiply(whole, a, band(row));
      with_lanes_for(whole, s.tile_columns(), [&](auto d) HWY_ATTR {
        for (std::int64_t k = 0; k < a.outputs; ++k) {
          const std::int64_t output = a.active_outputs[k];
          transform_output(d, a, band(row), a.products + k * layout.product, a.bias != nullptr ? a.bias[output] : T{0},
                           a.y + output * s.out_height() * s.out_width());
        }
      });
    }
  }
}

void sample_f32(const SampleArguments<float>& a) { sample(a); }
void sample_f64(const SampleArguments<double>& a) { sample(a); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bsg::kernels::cpu
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
  for (int i = 0; i < 4; ++i) {
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
  return kPositions * weight_position(shape) + threads * BandLayout(shape).scratch + kMaxLanes;
}

template <class T>
void winograd_convolution(const Launch& launch, const WinogradShape& s, const T* x, const WinogradWeight<T>& weight,
                          const T* bias, const T* input_gate, const T* output_gate, T* y, bool accumulate,
                          T* workspace) {
  constexpr std::int64_t kSamples = 4;  // a thread takes so many at a time
  const BandLayout layout(s);
  const int threads = static_cast<int>(std::clamp<std::int64_t>(s.batch / kSamples, 1, launch.threads));
#pragma omp parallel num_threads(threads)
  {
#pragma omp for schedule(static)
    for (std::int64_t c = 0; c < s.channels; ++c)
      for (std::int64_t k = 0; k < s.outputs; ++k)
        transform_weight(weight.weight + k * weight.output_step + c * weight.channel_step, weight.turned,
                         workspace + c * s.outputs + k, weight_position(s));
    T* const scratch = workspace + kPositions * weight_position(s) + omp_get_thread_num() * layout.scratch;
    std::fill_n(scratch, layout.scratch, T{0});
    std::vector<std::int64_t> inputs, outputs;
    SampleArguments<T> a{.shape = &s,
                         .layout = &layout,
                         .weight = workspace,
                         .weight_position = weight_position(s),
                         .bias = bias,
                         .accumulate = accumulate,
                         .input = scratch,
                         .products = scratch + layout.bands * layout.input};
    a.plane = a.products + s.outputs * layout.product;
#pragma omp for schedule(dynamic, kSamples)
    for (std::int64_t n = 0; n < s.batch; ++n) {
      list_active(input_gate == nullptr ? nullptr : input_gate + n * s.channels, s.channels, inputs);
      list_active(output_gate == nullptr ? nullptr : output_gate + n * s.outputs, s.outputs, outputs);
      a.x = x + n * s.channels * s.height * s.width;
      a.y = y + n * s.outputs * s.out_height() * s.out_width();
      a.active_inputs = inputs.data();
      a.inputs = static_cast<std::int64_t>(inputs.size());
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
