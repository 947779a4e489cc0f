// The passes of a convolution on tensors, wherever the context computes. Internal to the convolution ops, which have
// checked what these take. Gates [N, C] and [N, K] are undefined where there are none.
#pragma once

#include "engine/autograd/tape.hpp"
#include "engine/core/dispatch.hpp"
#include "kernels/conv2d/conv2d.hpp"

namespace bsg::ops {

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

template <class T>
void conv2d_forward(std::string_view op, Context& context, const kernels::Conv2dShape& shape, const Tensor& x,
                    const Tensor& weight, const Tensor& bias, Tensor& y, const Conv2dGates& gates = {}) {
  dispatch<T>(
      op, context,
      [&] {
        Tensor workspace = conv2d_workspace(context, shape, x.dtype());
        kernels::cpu::conv2d_forward<T>(context.launch(), shape, x.data<T>(), weight.data<T>(), data_or_null<T>(bias),
                                        data_or_null<T>(gates.input), data_or_null<T>(gates.output), y.data<T>(),
                                        workspace.data<T>());
      },
      [&](const auto& device) {
        device.conv2d_forward(context.launch(), shape, x.data<T>(), weight.data<T>(), data_or_null<T>(bias),
                              data_or_null<T>(gates.input), data_or_null<T>(gates.output), y.data<T>());
      });
}

template <class T>
void conv2d_backward_input(std::string_view op, Context& context, const kernels::Conv2dShape& shape,
                           const Tensor& weight, const Tensor& dy, GradTarget dx, const Conv2dGates& gates = {}) {
  T* to = dx.tensor.data<T>();
  dispatch<T>(
      op, context,
      [&] {
        Tensor workspace = conv2d_workspace(context, shape, dy.dtype());
        kernels::cpu::conv2d_backward_input<T>(context.launch(), shape, weight.data<T>(), dy.data<T>(),
                                               data_or_null<T>(gates.output), to, dx.accumulate, workspace.data<T>());
      },
      [&](const auto& device) {
        device.conv2d_backward_input(context.launch(), shape, weight.data<T>(), dy.data<T>(),
                                     data_or_null<T>(gates.output), to, dx.accumulate);
      });
}

template <class T>
void conv2d_backward_weight(std::string_view op, Context& context, const kernels::Conv2dShape& shape, const Tensor& x,
                            const Tensor& dy, GradTarget dweight, const Conv2dGates& gates = {}) {
  T* to = dweight.tensor.data<T>();
  dispatch<T>(
      op, context,
      [&] {
        Tensor workspace = conv2d_workspace(context, shape, x.dtype());
        kernels::cpu::conv2d_backward_weight<T>(context.launch(), shape, x.data<T>(), dy.data<T>(),
                                                data_or_null<T>(gates.input), data_or_null<T>(gates.output), to,
                                                dweight.accumulate, workspace.data<T>());
      },
      [&](const auto& device) {
        Tensor workspace = Tensor::empty(context, {device.conv2d_weight_gradient_workspace(shape)}, DType::f32);
        device.conv2d_backward_weight(context.launch(), shape, x.data<T>(), dy.data<T>(), data_or_null<T>(gates.input),
                                      data_or_null<T>(gates.output), to, dweight.accumulate,
                                      workspace.template data<float>());
      });
}

template <class T>
void conv2d_backward_bias(std::string_view op, Context& context, const kernels::Conv2dShape& shape, const Tensor& dy,
                          GradTarget dbias) {
  T* to = dbias.tensor.data<T>();
  dispatch<T>(
      op, context,
      [&] { kernels::cpu::conv2d_backward_bias<T>(context.launch(), shape, dy.data<T>(), to, dbias.accumulate); },
      [&](const auto& device) {
        device.conv2d_backward_bias(context.launch(), shape, dy.data<T>(), to, dbias.accumulate);
      });
}

}  // namespace bsg::ops
