#include <algorithm>
#include <cstddef>
#include <vector>

#include "kernels/batch_norm/batch_norm.hpp"
#include "kernels/common/parallel_for.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/batch_norm/batch_norm_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/common/vectors-inl.hpp"

// Partial sums of one reduction: [parts][2][channels].
#ifndef BSG_BATCH_NORM_PARTIALS
#define BSG_BATCH_NORM_PARTIALS
namespace bsg::kernels::cpu {
namespace {

template <class T>
struct PartialStatistics {
  BatchNormShape shape;
  const T* x;
  std::int64_t parts;
  double* partials;
};

template <class T>
struct PartialGradients {
  const BatchNormBackward<T>* backward;
  std::int64_t parts;
  double* partials;
};

}  // namespace
}  // namespace bsg::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace bsg::kernels::cpu {
namespace HWY_NAMESPACE {
namespace {

// A longer run of elements would leave the first-level cache between its two reads.
constexpr std::int64_t kChunk = 4096;

template <class T>
void statistics_part(const PartialStatistics<T>& a, std::int64_t begin, std::int64_t end) {
  const std::int64_t channels = a.shape.channels, plane = a.shape.plane;
  for (std::int64_t part = begin; part < end; ++part) {
    double* sums = a.partials + 2 * part * channels;
    double* squares = sums + channels;
    std::fill_n(sums, 2 * channels, 0.0);
    const std::int64_t last = a.shape.samples * (part + 1) / a.parts;
    for (std::int64_t sample = a.shape.samples * part / a.parts; sample < last; ++sample)
      for (std::int64_t channel = 0; channel < channels; ++channel)
        for (std::int64_t first = 0; first < plane; first += kChunk) {
          const std::int64_t count = std::min(kChunk, plane - first);
          const T* x = a.x + (sample * channels + channel) * plane + first;
          const double sum = sum_vectors<T>(count, [&](auto d, std::int64_t i) { return hn::LoadU(d, x + i); });
          const T center = static_cast<T>(sum / static_cast<double>(count));
          const double centered = sum_vectors<T>(count, [&](auto d, std::int64_t i) {
            const auto difference = hn::Sub(hn::LoadU(d, x + i), hn::Set(d, center));
            return hn::Mul(difference, difference);
          });
          // Sum of squares about zero, exactly as far as double goes: the center need not be the exact mean.
          const double about = static_cast<double>(center), size = static_cast<double>(count);
          sums[channel] += sum;
          squares[channel] += centered + about * (2 * sum - size * about);
        }
  }
}

// The affine map of one channel: (x - center) * scale + shift. What float loses of the mean goes into the shift.
template <class T>
struct ChannelMap {
  ChannelMap(const BatchNormInputs<T>& a, std::int64_t channel) {
    const double exact = static_cast<double>(a.weight[channel]) * a.inverse_deviation[channel];
    center = static_cast<T>(a.mean[channel]);
    scale = static_cast<T>(exact);
    shift =
        static_cast<T>(static_cast<double>(a.bias[channel]) - (a.mean[channel] - static_cast<double>(center)) * exact);
  }
  template <class D>
  HWY_INLINE auto operator()(D d, const T* x) const {
    return hn::MulAdd(hn::Sub(hn::LoadU(d, x), hn::Set(d, center)), hn::Set(d, scale), hn::Set(d, shift));
  }
  T center, scale, shift;
};

template <bool relu, bool with_residual, class T>
void forward_planes(const BatchNormForward<T>& a, std::int64_t begin, std::int64_t end) {
  const std::int64_t channels = a.inputs.shape.channels, plane = a.inputs.shape.plane;
  for (std::int64_t sample = begin; sample < end; ++sample)
    for (std::int64_t channel = 0; channel < channels; ++channel) {
      const ChannelMap<T> map(a.inputs, channel);
      const std::int64_t offset = (sample * channels + channel) * plane;
      each_vector<T>(plane, [&](auto d, std::int64_t i) {
        auto y = map(d, a.inputs.x + offset + i);
        if constexpr (with_residual) y = hn::Add(y, hn::LoadU(d, a.residual + offset + i));
        if constexpr (relu) y = where_positive(y, y);
        hn::StoreU(y, d, a.y + offset + i);
      });
    }
}

template <class T>
void forward_part(const BatchNormForward<T>& a, std::int64_t begin, std::int64_t end) {
  if (a.inputs.relu) {
    a.residual != nullptr ? forward_planes<true, true>(a, begin, end) : forward_planes<true, false>(a, begin, end);
  } else {
    a.residual != nullptr ? forward_planes<false, true>(a, begin, end) : forward_planes<false, false>(a, begin, end);
  }
}

enum class Mask { none, from_x, from_y };

// dy behind the ReLU.
template <Mask mask, class T, class D>
HWY_INLINE auto masked_gradient(const BatchNormBackward<T>& a, const ChannelMap<T>& map, D d, std::int64_t at) {
  const auto dy = hn::LoadU(d, a.dy + at);
  if constexpr (mask == Mask::from_x) return where_positive(map(d, a.inputs.x + at), dy);
  if constexpr (mask == Mask::from_y) return where_positive(hn::LoadU(d, a.y + at), dy);
  return dy;
}

template <Mask mask, class T>
void reduce_planes(const PartialGradients<T>& p, std::int64_t begin, std::int64_t end) {
  const BatchNormBackward<T>& a = *p.backward;
  const std::int64_t samples = a.inputs.shape.samples, channels = a.inputs.shape.channels, plane = a.inputs.shape.plane;
  const hn::ScalableTag<T> d;
  const hn::CappedTag<T, 1> single;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t part = begin; part < end; ++part) {
    double* sum_dy = p.partials + 2 * part * channels;
    double* sum_dy_x = sum_dy + channels;
    std::fill_n(sum_dy, 2 * channels, 0.0);
    const std::int64_t last = samples * (part + 1) / p.parts;
    for (std::int64_t sample = samples * part / p.parts; sample < last; ++sample)
      for (std::int64_t channel = 0; channel < channels; ++channel) {
        const ChannelMap<T> map(a.inputs, channel);
        // What float loses of the mean is put back once per chunk, in double.
        const double lost = a.inputs.mean[channel] - static_cast<double>(map.center);
        for (std::int64_t first = 0; first < plane; first += kChunk) {
          const std::int64_t at = (sample * channels + channel) * plane + first;
          const std::int64_t count = std::min(kChunk, plane - first);
          auto dy0 = hn::Zero(d), dy1 = hn::Zero(d), dy_x0 = hn::Zero(d), dy_x1 = hn::Zero(d);
          const auto add = [&](auto tag, std::int64_t i, auto& dy, auto& dy_x) {
            const auto g = masked_gradient<mask>(a, map, tag, at + i);
            dy = hn::Add(dy, g);
            dy_x = hn::MulAdd(g, hn::Sub(hn::LoadU(tag, a.inputs.x + at + i), hn::Set(tag, map.center)), dy_x);
          };
          std::int64_t i = 0;
          for (; i + 2 * lanes <= count; i += 2 * lanes) {
            add(d, i, dy0, dy_x0);
            add(d, i + lanes, dy1, dy_x1);
          }
          for (; i + lanes <= count; i += lanes) add(d, i, dy0, dy_x0);
          auto dy_rest = hn::Zero(single), dy_x_rest = hn::Zero(single);
          for (; i < count; ++i) add(single, i, dy_rest, dy_x_rest);
          const double sum = static_cast<double>(hn::GetLane(hn::SumOfLanes(d, hn::Add(dy0, dy1)))) +
                             static_cast<double>(hn::GetLane(dy_rest));
          sum_dy[channel] += sum;
          sum_dy_x[channel] += static_cast<double>(hn::GetLane(hn::SumOfLanes(d, hn::Add(dy_x0, dy_x1)))) +
                               static_cast<double>(hn::GetLane(dy_x_rest)) - lost * sum;
        }
      }
  }
}

template <class T>
Mask mask_of(const BatchNormBackward<T>& a) {
  if (!a.inputs.relu) return Mask::none;
  return a.y != nullptr ? Mask::from_y : Mask::from_x;
}

template <class T>
void reduce_part(const PartialGradients<T>& p, std::int64_t begin, std::int64_t end) {
  switch (mask_of(*p.backward)) {
    case Mask::none:
      return reduce_planes<Mask::none>(p, begin, end);
    case Mask::from_x:
      return reduce_planes<Mask::from_x>(p, begin, end);
    case Mask::from_y:
      return reduce_planes<Mask::from_y>(p, begin, end);
  }
}

template <Mask mask, class T>
void backward_planes(const BatchNormBackward<T>& a, std::int64_t begin, std::int64_t end) {
  const std::int64_t channels = a.inputs.shape.channels, plane = a.inputs.shape.plane;
  const double values = static_cast<double>(a.inputs.shape.samples * plane);
  for (std::int64_t sample = begin; sample < end; ++sample)
    for (std::int64_t channel = 0; channel < channels; ++channel) {
      const ChannelMap<T> map(a.inputs, channel);
      // dx = scale (g - mean(g) - xhat mean(g xhat)), as an affine map of g and of x - center.
      const double inverse = a.inputs.inverse_deviation[channel];
      const double scale = static_cast<double>(a.inputs.weight[channel]) * inverse;
      double slope = 0, offset = 0;
      if (a.batch_statistics) {
        slope = -scale * inverse * inverse * a.sum_dy_x[channel] / values;
        offset =
            -scale * a.sum_dy[channel] / values - slope * (a.inputs.mean[channel] - static_cast<double>(map.center));
      }
      const T scale_t = static_cast<T>(scale), slope_t = static_cast<T>(slope), offset_t = static_cast<T>(offset);
      const std::int64_t base = (sample * channels + channel) * plane;
      each_vector<T>(plane, [&](auto d, std::int64_t i) {
        const std::int64_t at = base + i;
        const auto g = masked_gradient<mask>(a, map, d, at);
        if (a.dresidual != nullptr) put(d, g, a.dresidual + at, a.accumulate_dresidual);
        if (a.dx == nullptr) return;
        auto dx = hn::Mul(g, hn::Set(d, scale_t));
        if (a.batch_statistics) {
          const auto centered = hn::Sub(hn::LoadU(d, a.inputs.x + at), hn::Set(d, map.center));
          dx = hn::Add(dx, hn::MulAdd(centered, hn::Set(d, slope_t), hn::Set(d, offset_t)));
        }
        put(d, dx, a.dx + at, a.accumulate_dx);
      });
    }
}

template <class T>
void backward_part(const BatchNormBackward<T>& a, std::int64_t begin, std::int64_t end) {
  switch (mask_of(a)) {
    case Mask::none:
      return backward_planes<Mask::none>(a, begin, end);
    case Mask::from_x:
      return backward_planes<Mask::from_x>(a, begin, end);
    case Mask::from_y:
      return backward_planes<Mask::from_y>(a, begin, end);
  }
}

BSG_PART(statistics_part, PartialStatistics)
BSG_PART(forward_part, BatchNormForward)
BSG_PART(reduce_part, PartialGradients)
BSG_PART(backward_part, BatchNormBackward)

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bsg::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bsg::kernels::cpu {
namespace {

BSG_EXPORT_PART(statistics_part, PartialStatistics)
BSG_EXPORT_PART(forward_part, BatchNormForward)
BSG_EXPORT_PART(reduce_part, PartialGradients)
BSG_EXPORT_PART(backward_part, BatchNormBackward)

std::int64_t elements(const BatchNormShape& shape) { return shape.samples * shape.channels * shape.plane; }

// Adds the parts in order into first and second [channels].
void merge(const std::vector<double>& partials, std::int64_t parts, std::int64_t channels, double* first,
           double* second) {
  std::fill_n(first, channels, 0.0);
  std::fill_n(second, channels, 0.0);
  for (std::int64_t part = 0; part < parts; ++part)
    for (std::int64_t channel = 0; channel < channels; ++channel) {
      first[channel] += partials[static_cast<std::size_t>(2 * part * channels + channel)];
      second[channel] += partials[static_cast<std::size_t>((2 * part + 1) * channels + channel)];
    }
}

}  // namespace

template <class T>
void batch_norm_statistics(const Launch& launch, const BatchNormShape& shape, const T* x, double* mean,
                           double* variance) {
  const std::int64_t parts = std::min(shape.samples, kReductionParts);
  std::vector<double> partials(static_cast<std::size_t>(2 * parts * shape.channels));
  const PartialStatistics<T> arguments{shape, x, parts, partials.data()};
  parallel_for(launch, parts, elements(shape),
               [&](std::int64_t begin, std::int64_t end) { run_statistics_part(arguments, begin, end); });
  merge(partials, parts, shape.channels, mean, variance);
  const double values = static_cast<double>(shape.samples * shape.plane);
  for (std::int64_t channel = 0; channel < shape.channels; ++channel) {
    mean[channel] /= values;
    const double about_mean = variance[channel] / values - mean[channel] * mean[channel];
    variance[channel] = about_mean < 0 ? 0 : about_mean;  // NaN stays
  }
}

template <class T>
void batch_norm_forward(const Launch& launch, const BatchNormForward<T>& arguments) {
  const BatchNormShape& shape = arguments.inputs.shape;
  parallel_for(launch, shape.samples, elements(shape),
               [&](std::int64_t begin, std::int64_t end) { run_forward_part(arguments, begin, end); });
}

template <class T>
void batch_norm_reduce(const Launch& launch, const BatchNormBackward<T>& arguments, double* sum_dy, double* sum_dy_x) {
  const BatchNormShape& shape = arguments.inputs.shape;
  const std::int64_t parts = std::min(shape.samples, kReductionParts);
  std::vector<double> partials(static_cast<std::size_t>(2 * parts * shape.channels));
  const PartialGradients<T> reduction{&arguments, parts, partials.data()};
  parallel_for(launch, parts, elements(shape),
               [&](std::int64_t begin, std::int64_t end) { run_reduce_part(reduction, begin, end); });
  merge(partials, parts, shape.channels, sum_dy, sum_dy_x);
}

template <class T>
void batch_norm_backward(const Launch& launch, const BatchNormBackward<T>& arguments) {
  const BatchNormShape& shape = arguments.inputs.shape;
  parallel_for(launch, shape.samples, elements(shape),
               [&](std::int64_t begin, std::int64_t end) { run_backward_part(arguments, begin, end); });
}

#define BSG_INSTANTIATE(T)                                                                                  \
  template void batch_norm_statistics<T>(const Launch&, const BatchNormShape&, const T*, double*, double*); \
  template void batch_norm_forward<T>(const Launch&, const BatchNormForward<T>&);                           \
  template void batch_norm_reduce<T>(const Launch&, const BatchNormBackward<T>&, double*, double*);         \
  template void batch_norm_backward<T>(const Launch&, const BatchNormBackward<T>&);
BSG_INSTANTIATE(float)
BSG_INSTANTIATE(double)
#undef BSG_INSTANTIATE

}  // namespace bsg::kernels::cpu
#endif
