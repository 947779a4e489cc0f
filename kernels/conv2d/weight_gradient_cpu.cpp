// The gradient of a convolution's weight. Vectors lie along the output channels: dy is turned to [pixel][outputs], and
// dweight[:, c, tap] += dy[pixel, :] * x[c, pixel + tap] takes x where it lies, one number at a time. So nothing is
// summed across lanes, no plane is copied, and an input channel that is off is left out whatever its neighbours are.
#include <algorithm>
#include <vector>

#include <omp.h>

#include "kernels/conv2d/conv2d.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv2d/weight_gradient_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/conv2d/active_list.hpp"
#include "kernels/conv2d/dilation.hpp"
#include "kernels/conv2d/geometry.hpp"
#include "kernels/conv2d/turn-inl.hpp"
#include "kernels/conv2d/winograd.hpp"

#ifndef BSG_WEIGHT_GRADIENT_ARGUMENTS
#define BSG_WEIGHT_GRADIENT_ARGUMENTS
namespace bsg::kernels::cpu {
namespace {

// One sample's contribution to some taps that are neighbours along a row: all pairs of a dy pixel and the x under them.
template <class T>
struct TapArguments {
  const T* x;  // of channel 0, under the first tap at the first dy pixel
  std::int64_t x_channel, x_row, x_step;
  const T* dy;  // turned, at the first dy pixel; the taps to the right of the first see the pixels before it
  std::int64_t dy_pixel, dy_row;
  std::int64_t rows, columns;
  const std::int64_t* active_inputs;
  std::int64_t inputs;
  std::int64_t outputs;
  T* dweight;  // [channel][tap][dy_pixel] at the first tap, added to
  std::int64_t dweight_channel;
};

}  // namespace
}  // namespace bsg::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace bsg::kernels::cpu::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

constexpr bool kManyRegisters = HWY_TARGET == HWY_AVX3;

// kV vectors of output channels x kC input channels x kS taps: kV * kC * kS sums and a window of kS dy pixels.
template <int kV, int kC, int kS, class D, class T>
HWY_INLINE void tap_tile(D d, const TapArguments<T>& a, const std::int64_t* inputs, std::int64_t output) {
  using V = hn::Vec<D>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  V sum[kC][kS][kV];
  for (int c = 0; c < kC; ++c)
    for (int s = 0; s < kS; ++s)
      for (int v = 0; v < kV; ++v) sum[c][s][v] = hn::Zero(d);
  for (std::int64_t row = 0; row < a.rows; ++row) {
    const T* dy = a.dy + row * a.dy_row + output;
    const T* x[kC];
    for (int c = 0; c < kC; ++c) x[c] = a.x + inputs[c] * a.x_channel + row * a.x_row;
    V window[kS][kV];
    for (int s = 0; s + 1 < kS; ++s)
      for (int v = 0; v < kV; ++v) window[s][v] = hn::LoadU(d, dy - (s + 1) * a.dy_pixel + v * lanes);
    for (std::int64_t column = 0, at = 0; column < a.columns; ++column, at += a.x_step, dy += a.dy_pixel) {
      for (int s = kS - 1; s > 0; --s)
        for (int v = 0; v < kV; ++v) window[s][v] = window[s - 1][v];
      for (int v = 0; v < kV; ++v) window[0][v] = hn::LoadU(d, dy + v * lanes);
      for (int c = 0; c < kC; ++c) {
        const V value = hn::Set(d, x[c][at]);
        for (int s = 0; s < kS; ++s)
          for (int v = 0; v < kV; ++v) sum[c][s][v] = hn::MulAdd(value, window[s][v], sum[c][s][v]);
      }
    }
  }
  for (int c = 0; c < kC; ++c)
    for (int s = 0; s < kS; ++s)
      for (int v = 0; v < kV; ++v) {
        T* const to = a.dweight + inputs[c] * a.dweight_channel + s * a.dy_pixel + output + v * lanes;
        hn::StoreU(hn::Add(hn::LoadU(d, to), sum[c][s][v]), d, to);
      }
}

// All input channels: kC at a time, then a half of that, and so on down to one.
template <int kV, int kC, int kS, class D, class T>
void tap_channels(D d, const TapArguments<T>& a, const std::int64_t* inputs, std::int64_t count, std::int64_t output) {
  for (; count >= kC; count -= kC, inputs += kC) tap_tile<kV, kC, kS>(d, a, inputs, output);
  if constexpr (kC > 1) tap_channels<kV, kC / 2, kS>(d, a, inputs, count, output);
}

template <int kS, class T>
void taps_of(const TapArguments<T>& a) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t output = 0;
  if constexpr (kManyRegisters)
    for (; output + lanes < a.outputs; output += 2 * lanes)
      tap_channels<2, kS == 1 ? 8 : 4, kS>(d, a, a.active_inputs, a.inputs, output);
  for (; output < a.outputs; output += lanes)
    tap_channels<1, kManyRegisters || kS == 1 ? 8 : 4, kS>(d, a, a.active_inputs, a.inputs, output);
}

void single_tap_f32(const TapArguments<float>& a) { taps_of<1>(a); }
void single_tap_f64(const TapArguments<double>& a) { taps_of<1>(a); }
void three_taps_f32(const TapArguments<float>& a) { taps_of<3>(a); }
void three_taps_f64(const TapArguments<double>& a) { taps_of<3>(a); }
void turn_f32(const TurnArguments<float>& a) { turn(a); }
void turn_f64(const TurnArguments<double>& a) { turn(a); }

}  // namespace
}  // namespace bsg::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bsg::kernels::cpu {
namespace {

HWY_EXPORT(single_tap_f32);
HWY_EXPORT(single_tap_f64);
HWY_EXPORT(three_taps_f32);
HWY_EXPORT(three_taps_f64);
HWY_EXPORT(turn_f32);
HWY_EXPORT(turn_f64);

void single_tap(const TapArguments<float>& a) { HWY_DYNAMIC_DISPATCH(single_tap_f32)(a); }
void single_tap(const TapArguments<double>& a) { HWY_DYNAMIC_DISPATCH(single_tap_f64)(a); }
void three_taps(const TapArguments<float>& a) { HWY_DYNAMIC_DISPATCH(three_taps_f32)(a); }
void three_taps(const TapArguments<double>& a) { HWY_DYNAMIC_DISPATCH(three_taps_f64)(a); }
void turn_rows(const TurnArguments<float>& a) { HWY_DYNAMIC_DISPATCH(turn_f32)(a); }
void turn_rows(const TurnArguments<double>& a) { HWY_DYNAMIC_DISPATCH(turn_f64)(a); }

// The dy positions [first, last) along one axis whose input under a tap lies inside, and that first input.
struct Reach {
  Reach(std::int64_t outputs, std::int64_t extent, std::int64_t stride, std::int64_t shift) {
    first = shift < 0 ? (-shift + stride - 1) / stride : 0;
    last = extent - 1 - shift < 0 ? 0 : std::min(outputs, (extent - 1 - shift) / stride + 1);
    input = first * stride + shift;
  }
  std::int64_t first, last, input;
};

// Adds what the dy rows [row, row + rows) of a sample contribute. x: [channels][height][width].
template <class T>
void add_band(const Conv2dShape& s, const WeightGradientLayout& layout, const T* x,
              const std::vector<std::int64_t>& inputs, std::int64_t row, std::int64_t rows, const T* turned,
              T* dweight) {
  TapArguments<T> a{};
  a.x_channel = s.height * s.width;
  a.x_row = s.stride * s.width;
  a.x_step = s.stride;
  a.dy_pixel = layout.pixel;
  a.dy_row = layout.row;
  a.active_inputs = inputs.data();
  a.inputs = static_cast<std::int64_t>(inputs.size());
  a.outputs = s.outputs;
  a.dweight_channel = s.taps() * layout.pixel;
  for (std::int64_t r = 0; r < s.kernel_height; ++r) {
    const Reach down(rows, s.height, s.stride, row * s.stride + r * s.dilation - s.padding);
    a.rows = down.last - down.first;
    if (a.rows <= 0) continue;
    const T* const dy_rows = turned + down.first * a.dy_row;
    for (std::int64_t c = 0; c < s.kernel_width; c += layout.taps) {
      a.dweight = dweight + (r * s.kernel_width + c) * layout.pixel;
      if (layout.taps == 3) {
        // Along all of x: a dy pixel that is not there is zero in the margins.
        a.x = x + down.input * s.width;
        a.columns = s.width;
        a.dy = dy_rows + (layout.margin + s.padding) * layout.pixel;
        three_taps(a);
      } else {
        const Reach right(s.out_width(), s.width, s.stride, c * s.dilation - s.padding);
        a.x = x + down.input * s.width + right.input;
        a.columns = right.last - right.first;
        a.dy = dy_rows + (layout.margin + right.first) * layout.pixel;
        if (a.columns > 0) single_tap(a);
      }
    }
  }
}

}  // namespace

template <class T>
void conv2d_backward_weight(const Launch& launch, const Conv2dShape& s, const T* x, const T* dy, const T* input_gate,
                            const T* output_gate, T* dweight, bool accumulate, T* workspace) {
  if (splits_by_dilation(s))
    return dilated_backward_weight(launch, s, x, dy, input_gate, output_gate, dweight, accumulate, workspace);
  if (winograd_pays(s))
    return winograd_weight_gradient(launch, s, x, dy, input_gate, output_gate, dweight, accumulate, workspace);
  const WeightGradientLayout layout(s);
  const std::int64_t size = s.channels * s.taps() * layout.pixel;
  const std::int64_t width = s.out_width(), plane = s.out_height() * width;
  std::vector<std::int64_t> places;
  for (std::int64_t pixel = 0; pixel < layout.band * width; ++pixel)
    places.push_back(pixel / width * layout.row + (layout.margin + pixel % width) * layout.pixel);
  const int threads = static_cast<int>(std::clamp<std::int64_t>(layout.parts, 1, launch.threads));
#pragma omp parallel num_threads(threads)
  {
    T* const turned = workspace + layout.parts * size + omp_get_thread_num() * layout.turned;
    std::fill_n(turned, layout.turned, T{0});
    std::vector<std::int64_t> inputs, outputs;
#pragma omp for schedule(dynamic, 1)
    for (std::int64_t part = 0; part < layout.parts; ++part) {
      T* const sums = workspace + part * size;
      std::fill_n(sums, size, T{0});
      for (std::int64_t n = layout.begin(part, s.batch); n < layout.begin(part + 1, s.batch); ++n) {
        list_active(input_gate == nullptr ? nullptr : input_gate + n * s.channels, s.channels, inputs);
        list_all(output_gate == nullptr ? nullptr : output_gate + n * s.outputs, s.outputs, outputs);
        for (std::int64_t row = 0; row < s.out_height(); row += layout.band) {
          const std::int64_t rows = std::min(layout.band, s.out_height() - row);
          turn_rows(TurnArguments<T>{dy + n * s.outputs * plane + row * width, plane, rows * width, outputs.data(),
                                     s.outputs, places.data(), turned});
          add_band(s, layout, x + n * s.channels * s.height * s.width, inputs, row, rows, turned, sums);
        }
      }
    }
  }
  // The parts are added in order, whichever thread made them. Blocks of rows, so that a line of dweight is written
  // once.
  constexpr std::int64_t kBlock = 16;
  const std::int64_t pairs = s.channels * s.taps();
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::int64_t block = 0; block < pairs; block += kBlock)
    for (std::int64_t k = 0; k < s.outputs; ++k)
      for (std::int64_t pair = block; pair < std::min(pairs, block + kBlock); ++pair) {
        T sum = accumulate ? dweight[k * pairs + pair] : T{0};
        for (std::int64_t part = 0; part < layout.parts; ++part)
          sum += workspace[part * size + pair * layout.pixel + k];
        dweight[k * pairs + pair] = sum;
      }
}

template void conv2d_backward_weight<float>(const Launch&, const Conv2dShape&, const float*, const float*, const float*,
                                            const float*, float*, bool, float*);
template void conv2d_backward_weight<double>(const Launch&, const Conv2dShape&, const double*, const double*,
                                             const double*, const double*, double*, bool, double*);

}  // namespace bsg::kernels::cpu
#endif
