// Internal to this family: the passes of a convolution on the matrix units, in bf16 or, of floats, tf32. Implicit
// products whose operands are copied in pieces of 16 bytes, so channels come in multiples of a piece.
#pragma once

#include <cstdint>
#include <numeric>

#include "kernels/common/launch.hpp"
#include "kernels/conv2d/conv2d.hpp"

namespace bsg::kernels::device {

// Along one axis, the windows of one phase of places of the result: place i * place_step + first_place reads the source
// at
//   i * scale + offset + tap * step,   tap < taps,
// with tap first_tap + tap * tap_step of the kernel. Forward has one phase. The gradient of x has as many as its
// stride: places that differ in their remainder meet different taps.
struct WindowAxis {
  std::int32_t places = 0, first_place = 0, place_step = 1;
  std::int32_t scale = 1, offset = 0, step = 1;
  std::int32_t taps = 0, first_tap = 0, tap_step = 1;
};

inline WindowAxis forward_axis(std::int64_t places, std::int64_t kernel, const Conv2dShape& s) {
  WindowAxis axis;
  axis.places = static_cast<std::int32_t>(places);
  axis.scale = static_cast<std::int32_t>(s.stride);
  axis.offset = static_cast<std::int32_t>(-s.padding);
  axis.step = static_cast<std::int32_t>(s.dilation);
  axis.taps = static_cast<std::int32_t>(kernel);
  return axis;
}

// dx[place] takes dy[(place + padding - tap * dilation) / stride] where that is whole.
inline WindowAxis backward_axis(std::int64_t places, std::int64_t kernel, std::int64_t phase, const Conv2dShape& s) {
  WindowAxis axis;
  axis.places = static_cast<std::int32_t>(places > phase ? (places - phase + s.stride - 1) / s.stride : 0);
  axis.first_place = static_cast<std::int32_t>(phase);
  axis.place_step = static_cast<std::int32_t>(s.stride);
  axis.tap_step = static_cast<std::int32_t>(s.stride / std::gcd(s.stride, s.dilation));
  axis.step = static_cast<std::int32_t>(-axis.tap_step * s.dilation / s.stride);
  std::int64_t first = 0;
  while (first < kernel && (phase + s.padding - first * s.dilation) % s.stride != 0) ++first;
  if (first == kernel) return axis;
  axis.first_tap = static_cast<std::int32_t>(first);
  axis.taps = static_cast<std::int32_t>((kernel - first + axis.tap_step - 1) / axis.tap_step);
  axis.offset = static_cast<std::int32_t>((phase + s.padding - first * s.dilation) / s.stride);
  return axis;
}

inline constexpr int kMostPhases = 4;  // strides above take the other kernels

// Whether the kernels below compute a shape in T: multiples of a piece of channels on the sides that are copied in
// pieces, and pixels that 32 bits count.
template <class T>
bool matrices_fit(const Conv2dShape& s, bool backward) {
  constexpr std::int64_t kPiece = 16 / sizeof(T), kMost = std::int64_t{1} << 31;
  const std::int64_t extent =
      s.padding + s.dilation * (s.kernel_height > s.kernel_width ? s.kernel_height : s.kernel_width);
  return s.channels > 0 && s.outputs > 0 && s.channels % kPiece == 0 &&
         (!backward || (s.outputs % kPiece == 0 && s.stride <= kMostPhases)) && s.batch * s.height * s.width < kMost &&
         s.batch * s.out_height() * s.out_width() < kMost && s.taps() * s.channels < kMost &&
         s.taps() * s.outputs < kMost && extent < kMost / 4;
}

// T: float (its products are in tf32) or simt::bfloat16. Pointers to T are multiples of 16 bytes; what they compute is
// in conv2d_device.hpp. The shape fits (matrices_fit).
template <class T>
void forward_by_matrices(const Launch& launch, const Conv2dShape& shape, const T* x, const T* weight, const float* bias,
                         const float* output_gate, T* y);
template <class T>
void backward_input_by_matrices(const Launch& launch, const Conv2dShape& shape, const T* weight, const T* dy, T* dx,
                                bool accumulate);
// partial [parts, K, R, S, C]: each part's gradient.
template <class T>
void backward_weight_by_matrices(const Launch& launch, const Conv2dShape& shape, const T* x, const T* dy,
                                 std::int64_t parts, float* partial);

}  // namespace bsg::kernels::device
