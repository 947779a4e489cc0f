// Kernels that treat every channel of every sample by one number, on tensors, wherever the context computes: x is
// [N, C, ...] of T, factors [N, C] of ParameterOf<T>. Internal to the ops.
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
  using P = ParameterOf<T>;
  dispatch<T>(
      op, context,
      [&] {
        kernels::cpu::mask_planes<P>(context.launch(), x.shape()[0] * x.shape()[1], plane_of(x), x.data<P>(),
                                     gate.data<P>(), y.tensor.data<P>(), y.accumulate);
      },
      [&](const auto& device) {
        device.mask_channels(context.launch(), channels_last(x), x.data<T>(), gate.data<P>(), y.tensor.data<T>(),
                             y.accumulate);
      });
}

// y (+)= x times the factor of its channel and sample.
template <class T>
void scale_planes(std::string_view op, const Context& context, const Tensor& x, const Tensor& factor, GradTarget y) {
  using P = ParameterOf<T>;
  dispatch<T>(
      op, context,
      [&] {
        kernels::cpu::scale_planes<P>(context.launch(), x.shape()[0] * x.shape()[1], plane_of(x), x.data<P>(),
                                      factor.data<P>(), y.tensor.data<P>(), y.accumulate);
      },
      [&](const auto& device) {
        device.scale_channels(context.launch(), channels_last(x), x.data<T>(), factor.data<P>(), y.tensor.data<T>(),
                              y.accumulate);
      });
}

// result [N, C] (+)= sum of a * b over the plane.
template <class T>
void dot_planes(std::string_view op, const Context& context, const Tensor& a, const Tensor& b, GradTarget result) {
  using P = ParameterOf<T>;
  dispatch<T>(
      op, context,
      [&] {
        kernels::cpu::dot_planes<P>(context.launch(), a.shape()[0] * a.shape()[1], plane_of(a), a.data<P>(),
                                    b.data<P>(), result.tensor.data<P>(), result.accumulate);
      },
      [&](const auto& device) {
        device.dot_channels(context.launch(), channels_last(a), a.data<T>(), b.data<T>(), result.tensor.data<P>(),
                            result.accumulate);
      });
}

}  // namespace bsg::ops
