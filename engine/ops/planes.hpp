// Kernels that treat every channel of every sample by one number, on tensors, wherever the context computes: x is
// [N, C, ...], factors [N, C]. Internal to the ops.
#pragma once

#include "engine/autograd/tape.hpp"
#include "engine/core/dispatch.hpp"
#include "kernels/elementwise/elementwise.hpp"

namespace bsg::ops {

// Elements of a channel of a sample.
inline std::int64_t plane_of(const Tensor& x) {
  const Shape& shape = x.shape();
  return shape.rank() == 4 ? shape[2] * shape[3] : 1;
}

inline kernels::device::ChannelsLastShape channels_last(const Tensor& x) {
  return {x.shape()[0], plane_of(x), x.shape()[1]};
}

// y (+)= x where the gate is open, else 0.
template <class T>
void mask_planes(std::string_view op, const Context& context, const Tensor& x, const Tensor& gate, GradTarget y) {
  T* to = y.tensor.data<T>();
  dispatch<T>(
      op, context,
      [&] {
        kernels::cpu::mask_planes<T>(context.launch(), x.shape()[0] * x.shape()[1], plane_of(x), x.data<T>(),
                                     gate.data<T>(), to, y.accumulate);
      },
      [&](const auto& device) {
        device.mask_channels(context.launch(), channels_last(x), x.data<T>(), gate.data<T>(), to, y.accumulate);
      });
}

// y (+)= x times the factor of its channel and sample.
template <class T>
void scale_planes(std::string_view op, const Context& context, const Tensor& x, const Tensor& factor, GradTarget y) {
  T* to = y.tensor.data<T>();
  dispatch<T>(
      op, context,
      [&] {
        kernels::cpu::scale_planes<T>(context.launch(), x.shape()[0] * x.shape()[1], plane_of(x), x.data<T>(),
                                      factor.data<T>(), to, y.accumulate);
      },
      [&](const auto& device) {
        device.scale_channels(context.launch(), channels_last(x), x.data<T>(), factor.data<T>(), to, y.accumulate);
      });
}

// result [N, C] (+)= sum of a * b over the plane.
template <class T>
void dot_planes(std::string_view op, const Context& context, const Tensor& a, const Tensor& b, GradTarget result) {
  T* to = result.tensor.data<T>();
  dispatch<T>(
      op, context,
      [&] {
        kernels::cpu::dot_planes<T>(context.launch(), a.shape()[0] * a.shape()[1], plane_of(a), a.data<T>(),
                                    b.data<T>(), to, result.accumulate);
      },
      [&](const auto& device) {
        device.dot_channels(context.launch(), channels_last(a), a.data<T>(), b.data<T>(), to, result.accumulate);
      });
}

}  // namespace bsg::ops
