#include <algorithm>
#include <vector>

#include <omp.h>

#include "kernels/conv2d/conv2d.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv2d/conv2d_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/conv2d/active_list.hpp"
#include "kernels/conv2d/dilation.hpp"
#include "kernels/conv2d/geometry.hpp"
#include "kernels/conv2d/winograd.hpp"

#ifndef BSG_CONV2D_ARGUMENTS
#define BSG_CONV2D_ARGUMENTS
namespace bsg::kernels::cpu {
namespace {

// One sample's unit-stride convolution in scratch planes.
template <class T>
struct SampleArguments {
  const T* planes;        // first channel's scratch
  std::int64_t channel;   // elements from one channel to the next
  std::int64_t columns;   // scratch row
  const T* weight;        // [outputs][channels][taps]
  std::int64_t channels;  // of the weight
  std::int64_t weight_taps;
  const OutputGrid* grid;
  const T* bias;
  const std::int64_t* active_inputs;
  std::int64_t inputs;
  const std::int64_t* active_outputs;
  std::int64_t outputs;
  T* y;
  std::int64_t y_plane;
  bool accumulate;
};

}  // namespace
}  // namespace bsg::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace bsg::kernels::cpu::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// Register tiles: AVX-512 has 32 vector registers, everything before it 16.
constexpr bool kManyRegisters = HWY_TARGET == HWY_AVX3;
constexpr int kOutputs = 6;
constexpr int kVectors = kManyRegisters ? 4 : 2;

// kR output channels x kP vectors of positions.
template <int kR, int kP, class D, class T>
HWY_INLINE void tile(D d, const SampleArguments<T>& a, const std::int64_t* outputs, std::int64_t first_vector,
                     std::int64_t vectors, std::int64_t vectors_per_row) {
  using V = hn::Vec<D>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const T* source[kP];
  std::int64_t row[kP], column[kP];
  for (int p = 0; p < kP; ++p) {
    const std::int64_t v = std::min(first_vector + p, vectors - 1);
    row[p] = v / vectors_per_row;
    column[p] = v % vectors_per_row * lanes;
    source[p] = a.planes + row[p] * a.columns + column[p];
  }
  const T* weight[kR];
  V sum[kR][kP];
  for (int r = 0; r < kR; ++r) {
    weight[r] = a.weight + outputs[r] * a.channels * a.weight_taps;
    const V start = hn::Set(d, a.bias != nullptr ? a.bias[outputs[r]] : T{0});
    for (int p = 0; p < kP; ++p) sum[r][p] = start;
  }
  const Tap* const taps = a.grid->taps.data();
  const std::size_t tap_count = a.grid->taps.size();
  for (std::int64_t i = 0; i < a.inputs; ++i) {
    const std::int64_t at = a.active_inputs[i] * a.channel;
    const std::int64_t weight_at = a.active_inputs[i] * a.weight_taps;
    for (std::size_t t = 0; t < tap_count; ++t) {
      const std::int64_t offset = at + taps[t].offset;
      const std::int64_t index = weight_at + taps[t].weight;
      V x[kP];
      for (int p = 0; p < kP; ++p) x[p] = hn::LoadU(d, source[p] + offset);
      for (int r = 0; r < kR; ++r) {
        const V w = hn::Set(d, weight[r][index]);
        for (int p = 0; p < kP; ++p) sum[r][p] = hn::MulAdd(w, x[p], sum[r][p]);
      }
    }
  }
  HWY_ALIGN T lane_values[kMaxLanes];
  for (int p = 0; p < kP && first_vector + p < vectors; ++p) {
    const std::int64_t count = std::min(lanes, a.grid->columns - column[p]);
    for (int r = 0; r < kR; ++r) {
      T* y =
          a.y + outputs[r] * a.y_plane + a.grid->base + row[p] * a.grid->row_stride + column[p] * a.grid->column_stride;
      if (count == lanes && a.grid->column_stride == 1) {
        hn::StoreU(a.accumulate ? hn::Add(hn::LoadU(d, y), sum[r][p]) : sum[r][p], d, y);
      } else {
        hn::Store(sum[r][p], d, lane_values);
        for (std::int64_t j = 0; j < count; ++j) {
          T& to = y[j * a.grid->column_stride];
          to = a.accumulate ? to + lane_values[j] : lane_values[j];
        }
      }
    }
  }
}

template <class D, class T>
void sample_with(D d, const SampleArguments<T>& a) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t per_row = (a.grid->columns + lanes - 1) / lanes;
  const std::int64_t vectors = a.grid->rows * per_row;
  for (std::int64_t v = 0; v < vectors; v += kVectors) {
    std::int64_t k = 0;
    for (; k + kOutputs <= a.outputs; k += kOutputs)
      tile<kOutputs, kVectors>(d, a, a.active_outputs + k, v, vectors, per_row);
    const std::int64_t* rest = a.active_outputs + k;
    switch (a.outputs - k) {
      case 5:
        tile<5, kVectors>(d, a, rest, v, vectors, per_row);
        break;
      case 4:
        tile<4, kVectors>(d, a, rest, v, vectors, per_row);
        break;
      case 3:
        tile<3, kVectors>(d, a, rest, v, vectors, per_row);
        break;
      case 2:
        tile<2, kVectors>(d, a, rest, v, vectors, per_row);
        break;
      case 1:
        tile<1, kVectors>(d, a, rest, v, vectors, per_row);
        break;
      default:
        break;
    }
  }
}

// Narrow planes take half vectors: a row of 8 fills them, and on processors that split 512-bit work nothing is lost.
template <class T>
void sample(const SampleArguments<T>& a) {
  const hn::ScalableTag<T> whole;
  if (a.grid->columns <= static_cast<std::int64_t>(hn::Lanes(whole) / 2)) {
    sample_with(hn::CappedTag<T, (HWY_LANES(T) > 1 ? HWY_LANES(T) / 2 : 1)>(), a);
  } else {
    sample_with(whole, a);
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

// to[i] = from[i * step]; the usual steps are constants, which the compiler turns into vectors.
template <class T>
void copy_every(const T* from, std::int64_t step, std::int64_t count, T* to) {
  if (step == 1) {
    std::copy_n(from, count, to);
  } else if (step == 2) {
    for (std::int64_t i = 0; i < count; ++i) to[i] = from[2 * i];
  } else {
    for (std::int64_t i = 0; i < count; ++i) to[i] = from[i * step];
  }
}

// Copies one plane into its place in scratch; what lies outside stays as it is (zero).
template <class T>
void place_plane(const ScratchPlanes& to, const T* plane, std::int64_t height, std::int64_t width, T* scratch) {
  const std::int64_t s = to.phases;
  const std::int64_t begin = std::max<std::int64_t>(0, -to.left), end = std::min(width, to.columns * s - to.left);
  for (std::int64_t i = 0; i < height; ++i) {
    const std::int64_t down = i + to.top;
    if (down < 0 || down / s >= to.rows) continue;
    T* const phase_row = scratch + down % s * s * to.phase_plane() + down / s * to.columns;
    for (std::int64_t j = begin; j < std::min(end, begin + s); ++j) {
      const std::int64_t right = j + to.left;
      copy_every(plane + i * width + j, s, (end - j + s - 1) / s, phase_row + right % s * to.phase_plane() + right / s);
    }
  }
}

}  // namespace

template <class T>
void conv2d_forward(const Launch& launch, const Conv2dShape& s, const T* x, const T* weight, const T* bias,
                    const T* input_gate, const T* output_gate, T* y, T* workspace) {
  if (splits_by_dilation(s)) return dilated_forward(launch, s, x, weight, bias, input_gate, output_gate, y, workspace);
  const std::int64_t y_plane = s.out_height() * s.out_width();
  if (output_gate != nullptr)
    for (std::int64_t plane = 0; plane < s.batch * s.outputs; ++plane)
      if (output_gate[plane] == T{0}) std::fill_n(y + plane * y_plane, y_plane, T{0});
  if (winograd_pays(s))
    return winograd_convolution<T>(launch, winograd_forward_shape(s), x,
                                   {weight, s.channels * s.taps(), s.taps(), false}, bias, input_gate, output_gate, y,
                                   false, workspace);
  const ForwardGeometry geometry(s);
  const std::int64_t planes = s.channels * geometry.scratch.channel();
  const int threads = static_cast<int>(std::clamp<std::int64_t>(s.batch, 1, launch.threads));
#pragma omp parallel num_threads(threads)
  {
    T* const scratch = workspace + omp_get_thread_num() * planes;
    std::fill_n(scratch, planes, T{0});
    std::vector<std::int64_t> inputs, outputs;
#pragma omp for schedule(dynamic, samples_at_a_time(s.batch, threads))
    for (std::int64_t n = 0; n < s.batch; ++n) {
      list_active(input_gate == nullptr ? nullptr : input_gate + n * s.channels, s.channels, inputs);
      list_active(output_gate == nullptr ? nullptr : output_gate + n * s.outputs, s.outputs, outputs);
      T* const to = y + n * s.outputs * y_plane;
      if (outputs.empty()) continue;
      for (const std::int64_t c : inputs)
        place_plane(geometry.scratch, x + (n * s.channels + c) * s.height * s.width, s.height, s.width,
                    scratch + c * geometry.scratch.channel());
      run(SampleArguments<T>{scratch, geometry.scratch.channel(), geometry.scratch.columns, weight, s.channels,
                             s.taps(), &geometry.grid, bias, inputs.data(), static_cast<std::int64_t>(inputs.size()),
                             outputs.data(), static_cast<std::int64_t>(outputs.size()), to, y_plane, false});
    }
  }
}

template <class T>
void conv2d_backward_input(const Launch& launch, const Conv2dShape& s, const T* weight, const T* dy,
                           const T* output_gate, T* dx, bool accumulate, T* workspace) {
  if (splits_by_dilation(s))
    return dilated_backward_input(launch, s, weight, dy, output_gate, dx, accumulate, workspace);
  const T* const no_bias = nullptr;
  const T* const no_gate = nullptr;
  if (winograd_pays(s))
    return winograd_convolution<T>(launch, winograd_backward_input_shape(s), dy,
                                   {weight, s.taps(), s.channels * s.taps(), true}, no_bias, output_gate, no_gate, dx,
                                   accumulate, workspace);
  const BackwardInputGeometry geometry(s);
  T* const turned = workspace;  // [C][K][taps]
  for (std::int64_t k = 0; k < s.outputs; ++k)
    for (std::int64_t c = 0; c < s.channels; ++c)
      std::copy_n(weight + (k * s.channels + c) * s.taps(), s.taps(), turned + (c * s.outputs + k) * s.taps());
  const std::int64_t planes = s.outputs * geometry.scratch.channel();
  const std::int64_t dy_plane = s.out_height() * s.out_width();
  const std::int64_t dx_plane = s.height * s.width;
  std::vector<std::int64_t> all(static_cast<std::size_t>(s.channels));
  for (std::size_t c = 0; c < all.size(); ++c) all[c] = static_cast<std::int64_t>(c);
  const int threads = static_cast<int>(std::clamp<std::int64_t>(s.batch, 1, launch.threads));
#pragma omp parallel num_threads(threads)
  {
    T* const scratch = workspace + s.weights() + omp_get_thread_num() * planes;
    std::fill_n(scratch, planes, T{0});
    std::vector<std::int64_t> outputs;
#pragma omp for schedule(dynamic, samples_at_a_time(s.batch, threads))
    for (std::int64_t n = 0; n < s.batch; ++n) {
      list_active(output_gate == nullptr ? nullptr : output_gate + n * s.outputs, s.outputs, outputs);
      for (const std::int64_t k : outputs)
        place_plane(geometry.scratch, dy + (n * s.outputs + k) * dy_plane, s.out_height(), s.out_width(),
                    scratch + k * geometry.scratch.channel());
      for (const OutputGrid& grid : geometry.grids) {
        if (grid.rows == 0 || grid.columns == 0) continue;
        run(SampleArguments<T>{scratch, geometry.scratch.channel(), geometry.scratch.columns, turned, s.outputs,
                               s.taps(), &grid, nullptr, outputs.data(), static_cast<std::int64_t>(outputs.size()),
                               all.data(), s.channels, dx + n * s.channels * dx_plane, dx_plane, accumulate});
      }
    }
  }
}

template <class T>
void conv2d_backward_bias(const Launch& launch, const Conv2dShape& s, const T* dy, T* dbias, bool accumulate) {
  const std::int64_t plane = s.out_height() * s.out_width();
#pragma omp parallel for num_threads(launch.threads) schedule(static)
  for (std::int64_t k = 0; k < s.outputs; ++k) {
    double sum = accumulate ? static_cast<double>(dbias[k]) : 0;
    for (std::int64_t n = 0; n < s.batch; ++n)
      for (std::int64_t i = 0; i < plane; ++i) sum += static_cast<double>(dy[(n * s.outputs + k) * plane + i]);
    dbias[k] = static_cast<T>(sum);
  }
}

#define BSG_INSTANTIATE(T)                                                                                             \
  template void conv2d_forward<T>(const Launch&, const Conv2dShape&, const T*, const T*, const T*, const T*, const T*, \
                                  T*, T*);                                                                             \
  template void conv2d_backward_input<T>(const Launch&, const Conv2dShape&, const T*, const T*, const T*, T*, bool,    \
                                         T*);                                                                          \
  template void conv2d_backward_bias<T>(const Launch&, const Conv2dShape&, const T*, T*, bool);
BSG_INSTANTIATE(float)
BSG_INSTANTIATE(double)
#undef BSG_INSTANTIATE

}  // namespace bsg::kernels::cpu
#endif
