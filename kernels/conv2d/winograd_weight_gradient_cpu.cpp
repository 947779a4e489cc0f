#include <algorithm>
#include <vector>

#include <omp.h>

#include "kernels/conv2d/winograd.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv2d/winograd_weight_gradient_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/conv2d/active_list.hpp"
#include "kernels/conv2d/geometry.hpp"
#include "kernels/conv2d/turn-inl.hpp"
#include "kernels/conv2d/winograd_input-inl.hpp"

#ifndef BSG_WINOGRAD_WEIGHT_GRADIENT_ARGUMENTS
#define BSG_WINOGRAD_WEIGHT_GRADIENT_ARGUMENTS
namespace bsg::kernels::cpu {
namespace {

struct Layout {
  explicit Layout(const Conv2dShape& s) : shape(winograd_forward_shape(s)), bands(shape) {
    constexpr std::int64_t kParts = 8;
    parts = std::max<std::int64_t>(1, std::min(kParts, s.batch));
    pixel = (s.outputs + kMaxLanes - 1) / kMaxLanes * kMaxLanes;
    dy_row = 2 * shape.tile_columns() * pixel;
    dy_position = bands.rows * shape.tile_columns() * pixel + kMaxLanes;
    dy_turned = 2 * bands.rows * dy_row;
    sum_position = s.channels * pixel + kMaxLanes;
    sums = kWinogradPositions * sum_position;
    scratch = bands.scratch + dy_turned + kWinogradPositions * dy_position;
  }
  std::int64_t begin(std::int64_t part, std::int64_t batch) const { return batch * part / parts; }
  WinogradShape shape;
  WinogradBands bands;
  std::int64_t parts;  // of the batch; each has sums of its own, added in order: the thread count does not matter
  std::int64_t pixel;  // elements of a pixel or tile of dy: the outputs, padded to whole vectors
  std::int64_t dy_row, dy_turned;   // of a band of dy [pixel row][pixel][output]
  std::int64_t dy_position;         // of its transformed tiles [position][tile][output]
  std::int64_t sum_position, sums;  // of the sums [position][input][output]
  std::int64_t scratch;             // of a thread
};

// One sample. dy is turned and transformed a band at a time.
template <class T>
struct SampleArguments {
  const Layout* layout;
  WinogradInput<T> in;
  const T* dy;                  // the sample's
  const std::int64_t* outputs;  // -1 in the place of one that is off
  const std::int64_t* places;   // of the pixels of a band in dy_turned
  T* dy_turned;
  T* dy_tiles;
  T* sums;
};

// The parts' sums of one input channel, to the weight's gradient.
template <class T>
struct FinishArguments {
  const Layout* layout;
  const T* sums;  // of the first part, at the channel
  std::int64_t outputs;
  T* dweight;  // of output 0
  std::int64_t dweight_output;
  bool accumulate;
};

}  // namespace
}  // namespace bsg::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace bsg::kernels::cpu::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

constexpr bool kManyRegisters = HWY_TARGET == HWY_AVX3;

// A dy A^T for a vector of output channels: rows y0, y0+y1, y0-y1, y1 and the same across. (The last is -y1 in A: the
// sign is taken back in finish.)
template <class D, class T>
HWY_INLINE void transform_dy(D d, const SampleArguments<T>& a, std::int64_t rows, std::int64_t output) {
  using V = hn::Vec<D>;
  const Layout& l = *a.layout;
  const std::int64_t columns = l.shape.tile_columns();
  for (std::int64_t row = 0; row < rows; ++row) {
    const T* from = a.dy_turned + 2 * row * l.dy_row + output;
    T* to = a.dy_tiles + row * columns * l.pixel + output;
    for (std::int64_t tile = 0; tile < columns; ++tile, from += 2 * l.pixel, to += l.pixel) {
      const V left = hn::LoadU(d, from), right = hn::LoadU(d, from + l.pixel),
              left_below = hn::LoadU(d, from + l.dy_row), right_below = hn::LoadU(d, from + l.dy_row + l.pixel);
      const V y0[4] = {left, hn::Add(left, left_below), hn::Sub(left, left_below), left_below};
      const V y1[4] = {right, hn::Add(right, right_below), hn::Sub(right, right_below), right_below};
      for (std::int64_t i = 0; i < 4; ++i) {
        hn::StoreU(y0[i], d, to + (4 * i) * l.dy_position);
        hn::StoreU(hn::Add(y0[i], y1[i]), d, to + (4 * i + 1) * l.dy_position);
        hn::StoreU(hn::Sub(y0[i], y1[i]), d, to + (4 * i + 2) * l.dy_position);
        hn::StoreU(y1[i], d, to + (4 * i + 3) * l.dy_position);
      }
    }
  }
}

// kV vectors of outputs x kC active inputs at one position: their products, summed over a band's tiles.
template <int kV, int kC, class D, class T>
HWY_INLINE void multiply_tile(D d, const SampleArguments<T>& a, const T* x, std::int64_t tiles, std::int64_t position,
                              std::int64_t input, std::int64_t output) {
  using V = hn::Vec<D>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const Layout& l = *a.layout;
  const T* from[kC];
  V sum[kC][kV];
  for (int c = 0; c < kC; ++c) {
    from[c] = x + position * l.bands.position + (input + c) * l.bands.tiles;
    for (int v = 0; v < kV; ++v) sum[c][v] = hn::Zero(d);
  }
  const T* dy = a.dy_tiles + position * l.dy_position + output;
  for (std::int64_t tile = 0; tile < tiles; ++tile, dy += l.pixel) {
    V g[kV];
    for (int v = 0; v < kV; ++v) g[v] = hn::LoadU(d, dy + v * lanes);
    for (int c = 0; c < kC; ++c) {
      const V value = hn::Set(d, from[c][tile]);
      for (int v = 0; v < kV; ++v) sum[c][v] = hn::MulAdd(value, g[v], sum[c][v]);
    }
  }
  for (int c = 0; c < kC; ++c)
    for (int v = 0; v < kV; ++v) {
      T* const to = a.sums + position * l.sum_position + a.in.active_inputs[input + c] * l.pixel + output + v * lanes;
      hn::StoreU(hn::Add(hn::LoadU(d, to), sum[c][v]), d, to);
    }
}

// All active inputs: kC at a time, then a half of that, and so on down to one.
template <int kV, int kC, class D, class T>
void multiply_inputs(D d, const SampleArguments<T>& a, const T* x, std::int64_t tiles, std::int64_t position,
                     std::int64_t input, std::int64_t output) {
  for (; input + kC <= a.in.inputs; input += kC) multiply_tile<kV, kC>(d, a, x, tiles, position, input, output);
  if constexpr (kC > 1) multiply_inputs<kV, kC / 2>(d, a, x, tiles, position, input, output);
}

template <class T>
void sample(const SampleArguments<T>& a) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const Layout& l = *a.layout;
  const WinogradShape& s = l.shape;
  const std::int64_t width = s.out_width(), plane = s.out_height() * width;
  for (std::int64_t group = 0; group < s.tile_rows(); group += l.bands.group_rows()) {
    transform_group(a.in, group);
    for (std::int64_t row = group; row < std::min(s.tile_rows(), group + l.bands.group_rows()); row += l.bands.rows) {
      const std::int64_t rows = std::min(l.bands.rows, s.tile_rows() - row);
      const std::int64_t pixel_rows = std::min(2 * rows, s.out_height() - 2 * row);
      turn(TurnArguments<T>{a.dy + 2 * row * width, plane, pixel_rows * width, a.outputs, s.outputs, a.places,
                            a.dy_turned});
      if (pixel_rows < 2 * rows) std::fill_n(a.dy_turned + pixel_rows * l.dy_row, l.dy_row, T{0});
      for (std::int64_t output = 0; output < s.outputs; output += lanes) transform_dy(d, a, rows, output);
      const T* const x = a.in.tiles_at(row - group);
      const std::int64_t tiles = rows * s.tile_columns();
      for (std::int64_t position = 0; position < kWinogradPositions; ++position) {
        std::int64_t output = 0;
        for (; output + lanes < s.outputs; output += 2 * lanes)
          multiply_inputs<2, kManyRegisters ? 8 : 4>(d, a, x, tiles, position, 0, output);
        if (output < s.outputs) multiply_inputs<1, 8>(d, a, x, tiles, position, 0, output);
      }
    }
  }
}

// Adds the parts in order, then G^T s G.
template <class T>
void finish(const FinishArguments<T>& a) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const Layout& l = *a.layout;
  const V half = hn::Set(d, T{0.5});
  const auto fold = [&](V s0, V s1, V s2, V s3, V& g0, V& g1, V& g2) HWY_ATTR {
    const V both = hn::Mul(hn::Add(s1, s2), half);
    g0 = hn::Add(s0, both);
    g1 = hn::Mul(hn::Sub(s1, s2), half);
    g2 = hn::Sub(both, s3);
  };
  HWY_ALIGN T taps[9][kMaxLanes];
  for (std::int64_t output = 0; output < a.outputs; output += lanes) {
    V s[4][4], g[3][4];
    for (int i = 0; i < 4; ++i)
      for (int j = 0; j < 4; ++j) {
        const T* const at = a.sums + (4 * i + j) * l.sum_position + output;
        s[i][j] = hn::LoadU(d, at);
        for (std::int64_t part = 1; part < l.parts; ++part)
          s[i][j] = hn::Add(s[i][j], hn::LoadU(d, at + part * l.sums));
      }
    for (int j = 0; j < 4; ++j) fold(s[0][j], s[1][j], s[2][j], s[3][j], g[0][j], g[1][j], g[2][j]);
    for (int i = 0; i < 3; ++i) {
      V t0, t1, t2;
      fold(g[i][0], g[i][1], g[i][2], g[i][3], t0, t1, t2);
      hn::Store(t0, d, taps[3 * i]);
      hn::Store(t1, d, taps[3 * i + 1]);
      hn::Store(t2, d, taps[3 * i + 2]);
    }
    for (std::int64_t k = output; k < std::min(output + lanes, a.outputs); ++k)
      for (int tap = 0; tap < 9; ++tap) {
        T& to = a.dweight[k * a.dweight_output + tap];
        to = a.accumulate ? to + taps[tap][k - output] : taps[tap][k - output];
      }
  }
}

void sample_f32(const SampleArguments<float>& a) { sample(a); }
void sample_f64(const SampleArguments<double>& a) { sample(a); }
void finish_f32(const FinishArguments<float>& a) { finish(a); }
void finish_f64(const FinishArguments<double>& a) { finish(a); }

}  // namespace
}  // namespace bsg::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bsg::kernels::cpu {
namespace {

HWY_EXPORT(sample_f32);
HWY_EXPORT(sample_f64);
HWY_EXPORT(finish_f32);
HWY_EXPORT(finish_f64);

void run(const SampleArguments<float>& a) { HWY_DYNAMIC_DISPATCH(sample_f32)(a); }
void run(const SampleArguments<double>& a) { HWY_DYNAMIC_DISPATCH(sample_f64)(a); }
void run(const FinishArguments<float>& a) { HWY_DYNAMIC_DISPATCH(finish_f32)(a); }
void run(const FinishArguments<double>& a) { HWY_DYNAMIC_DISPATCH(finish_f64)(a); }

}  // namespace

std::int64_t winograd_weight_gradient_workspace(const Conv2dShape& shape, int threads) {
  const Layout layout(shape);
  return layout.parts * layout.sums + threads * layout.scratch + kMaxLanes;
}

template <class T>
void winograd_weight_gradient(const Launch& launch, const Conv2dShape& s, const T* x, const T* dy, const T* input_gate,
                              const T* output_gate, T* dweight, bool accumulate, T* workspace) {
  const Layout layout(s);
  std::vector<std::int64_t> places;
  for (std::int64_t pixel = 0; pixel < 2 * layout.bands.rows * s.out_width(); ++pixel)
    places.push_back(pixel / s.out_width() * layout.dy_row + pixel % s.out_width() * layout.pixel);
  const int threads = static_cast<int>(std::clamp<std::int64_t>(layout.parts, 1, launch.threads));
#pragma omp parallel num_threads(threads)
  {
    T* const scratch = workspace + layout.parts * layout.sums + omp_get_thread_num() * layout.scratch;
    std::fill_n(scratch, layout.scratch, T{0});
    std::vector<std::int64_t> inputs, outputs;
    SampleArguments<T> a{.layout = &layout,
                         .in = WinogradInput<T>(layout.shape, layout.bands, scratch),
                         .places = places.data(),
                         .dy_turned = scratch + layout.bands.scratch,
                         .dy_tiles = scratch + layout.bands.scratch + layout.dy_turned};
#pragma omp for schedule(dynamic, 1)
    for (std::int64_t part = 0; part < layout.parts; ++part) {
      a.sums = workspace + part * layout.sums;
      std::fill_n(a.sums, layout.sums, T{0});
      for (std::int64_t n = layout.begin(part, s.batch); n < layout.begin(part + 1, s.batch); ++n) {
        list_active(input_gate == nullptr ? nullptr : input_gate + n * s.channels, s.channels, inputs);
        list_all(output_gate == nullptr ? nullptr : output_gate + n * s.outputs, s.outputs, outputs);
        a.in.take(x + n * s.channels * s.height * s.width, inputs);
        a.dy = dy + n * s.outputs * s.out_height() * s.out_width();
        a.outputs = outputs.data();
        run(a);
      }
    }
  }
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::int64_t c = 0; c < s.channels; ++c)
    run(FinishArguments<T>{&layout, workspace + c * layout.pixel, s.outputs, dweight + c * s.taps(),
                           s.channels * s.taps(), accumulate});
}

template void winograd_weight_gradient<float>(const Launch&, const Conv2dShape&, const float*, const float*,
                                              const float*, const float*, float*, bool, float*);
template void winograd_weight_gradient<double>(const Launch&, const Conv2dShape&, const double*, const double*,
                                               const double*, const double*, double*, bool, double*);

}  // namespace bsg::kernels::cpu
#endif
