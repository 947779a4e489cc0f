// The passes of a convolution on tensors, wherever the context computes. Internal to the convolution ops, which have
// checked what these take. T: the type of activations; parameters and their gradients are of ParameterOf<T>, but for
// the weight that multiplies activations, factor_of<T>(weight).
#pragma once

#include "engine/autograd/tape.hpp"
#include "engine/core/dispatch.hpp"
#include "kernels/conv2d/conv2d.hpp"

namespace bsg::ops {

// Gates [N, C] and [N, K], undefined where there are none. On the CPU alone: elsewhere products are dense, of tensors
// that the ops masked, so that a vendor's convolution can make them.
struct Conv2dGates {
  Tensor input, output;
};

template <class T>
const T* data_or_null(const Tensor& tensor) {
  return tensor.defined() ? tensor.data<T>() : nullptr;
}

inline Tensor conv2d_workspace(Context& context, const kernels::Conv2dShape& shape, DType dtype) {
  return Tensor::empty(context, {kernels::cpu::conv2d_workspace(shape, context.threads())}, dtype);
}

// A parameter as products with activations of type T take it: itself, or rounded.
template <class T>
Tensor factor_of(Context& context, const Tensor& parameter) {
  return parameter.dtype() == DTypeOf<T>::value ? parameter : parameter.cast(context, DTypeOf<T>::value);
}

template <class T>
void conv2d_forward(std::string_view op, Context& context, const kernels::Conv2dShape& shape, const Tensor& x,
                    const Tensor& weight, const Tensor& bias, Tensor& y, const Conv2dGates& gates = {}) {
  using P = ParameterOf<T>;
  dispatch<T>(
      op, context,
      [&] {
        Tensor workspace = conv2d_workspace(context, shape, x.dtype());
        kernels::cpu::conv2d_forward<P>(context.launch(), shape, x.data<P>(), weight.data<P>(), data_or_null<P>(bias),
                                        data_or_null<P>(gates.input), data_or_null<P>(gates.output), y.data<P>(),
                                        workspace.data<P>());
      },
      [&](const auto& device) {
        device.conv2d_forward(context.launch(), shape, x.data<T>(), weight.data<T>(), data_or_null<P>(bias), nullptr,
                              nullptr, y.data<T>());
      });
}

template <class T>
void conv2d_backward_input(std::string_view op, Context& context, const kernels::Conv2dShape& shape,
                           const Tensor& weight, const Tensor& dy, GradTarget dx, const Conv2dGates& gates = {}) {
  using P = ParameterOf<T>;
  dispatch<T>(
      op, context,
      [&] {
        Tensor workspace = conv2d_workspace(context, shape, dy.dtype());
        kernels::cpu::conv2d_backward_input<P>(context.launch(), shape, weight.data<P>(), dy.data<P>(),
                                               data_or_null<P>(gates.output), dx.tensor.data<P>(), dx.accumulate,
                                               workspace.data<P>());
      },
      [&](const auto& device) {
        device.conv2d_backward_input(context.launch(), shape, weight.data<T>(), dy.data<T>(), nullptr,
                                     dx.tensor.data<T>(), dx.accumulate);
      });
}

template <class T>
void conv2d_backward_weight(std::string_view op, Context& context, const kernels::Conv2dShape& shape, const Tensor& x,
                            const Tensor& dy, GradTarget dweight, const Conv2dGates& gates = {}) {
  using P = ParameterOf<T>;
  P* const to = dweight.tensor.data<P>();
  dispatch<T>(
      op, context,
      [&] {
        Tensor workspace = conv2d_workspace(context, shape, x.dtype());
        kernels::cpu::conv2d_backward_weight<P>(context.launch(), shape, x.data<P>(), dy.data<P>(),
                                                data_or_null<P>(gates.input), data_or_null<P>(gates.output), to,
                                                dweight.accumulate, workspace.data<P>());
      },
      [&](const auto& device) {
        Tensor workspace = Tensor::empty(context, {device.conv2d_weight_gradient_workspace(shape)});
        device.conv2d_backward_weight(context.launch(), shape, x.data<T>(), dy.data<T>(), nullptr, nullptr, to,
                                      dweight.accumulate, workspace.template data<float>());
      });
}

template <class T>
void conv2d_backward_bias(std::string_view op, Context& context, const kernels::Conv2dShape& shape, const Tensor& dy,
                          GradTarget dbias) {
  using P = ParameterOf<T>;
  P* const to = dbias.tensor.data<P>();
  dispatch<T>(
      op, context,
      [&] { kernels::cpu::conv2d_backward_bias<P>(context.launch(), shape, dy.data<P>(), to, dbias.accumulate); },
      [&](const auto& device) {
        device.conv2d_backward_bias(context.launch(), shape, dy.data<T>(), to, dbias.accumulate);
      });
}

}  // namespace bsg::ops
