// What a device back end offers, by pointer: the CUDA one is a shared library that is loaded when a CUDA device is
// asked for, and the emulator's has the same functions under the same names. One table for each; whoever computes on a
// device holds a reference to its table. A member does what the function of its name does, see there.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>

#include "kernels/argmax/argmax_device.hpp"
#include "kernels/batch_norm/batch_norm_device.hpp"
#include "kernels/batch_shaping/batch_shaping_device.hpp"
#include "kernels/concat/concat_device.hpp"
#include "kernels/conv2d/conv2d_device.hpp"
#include "kernels/elementwise/elementwise_device.hpp"
#include "kernels/gate/gate_device.hpp"
#include "kernels/gated_conv/gated_conv_device.hpp"
#include "kernels/layout/layout_device.hpp"
#include "kernels/linear/linear_device.hpp"
#include "kernels/peak/peak_device.hpp"
#include "kernels/pool2d/adaptive_average_pool2d_device.hpp"
#include "kernels/pool2d/pool2d_device.hpp"
#include "kernels/resize/resize_device.hpp"
#include "kernels/sgd/sgd_device.hpp"
#include "kernels/shortcut/shortcut_device.hpp"
#include "kernels/simt/number.hpp"
#include "kernels/softmax_cross_entropy/softmax_cross_entropy_device.hpp"

namespace bsg::kernels {

// Memory and queues of a device: kernels/simt/runtime.hpp and graph.hpp. Errors are std::runtime_error.
struct DeviceRuntime {
  int (*device_count)();
  std::string (*device_name)();
  void* (*create_stream)();
  void (*destroy_stream)(void* stream);
  void* (*allocate)(std::size_t bytes, void* stream);
  void (*release)(void* memory, void* stream);
  void* (*allocate_pinned)(std::size_t bytes);
  void (*release_pinned)(void* memory);
  void (*copy_to_device)(void* to, const void* from, std::size_t bytes, void* stream);
  void (*copy_to_host)(void* to, const void* from, std::size_t bytes, void* stream);
  void (*copy_to_host_later)(void* to, const void* from, std::size_t bytes, void* stream);
  void (*copy_on_device)(void* to, const void* from, std::size_t bytes, void* stream);
  void (*clear)(void* memory, int value, std::size_t bytes, void* stream);
  void (*synchronize)(void* stream);
  void* (*create_event)();
  void (*destroy_event)(void* event);
  void (*record_event)(void* event, void* stream);
  void (*wait_for_event)(void* stream, void* event);
  void (*synchronize_event)(void* event);
  double (*elapsed_milliseconds)(void* begin, void* end);
  void (*begin_capture)(void* stream);
  void* (*end_capture)(void* stream);
  void (*launch_graph)(void* graph, void* stream);
  void (*destroy_graph)(void* graph);
};

// The kernels on activations of type T: float, or simt::bfloat16 computed in float. What stands beside activations
// (parameters, statistics, gates, pooled values) is float for either.
template <class T>
struct TypedKernels {
  decltype(&device::conv2d_forward<T>) conv2d_forward;
  decltype(&device::conv2d_backward_input<T>) conv2d_backward_input;
  decltype(&device::conv2d_weight_gradient_workspace) conv2d_weight_gradient_workspace;
  decltype(&device::conv2d_backward_weight<T>) conv2d_backward_weight;
  decltype(&device::conv2d_backward_bias<T>) conv2d_backward_bias;

  decltype(&device::relu<T>) relu;
  decltype(&device::relu_backward<T>) relu_backward;
  decltype(&device::add<T>) add;
  decltype(&device::scale_channels<T>) scale_channels;
  decltype(&device::mask_channels<T>) mask_channels;
  decltype(&device::fill_channels<T>) fill_channels;
  decltype(&device::dot_channels<T>) dot_channels;
  decltype(&device::sum_channels<T>) sum_channels;

  decltype(&device::batch_norm_statistics<T>) batch_norm_statistics;
  decltype(&device::batch_norm_forward<T>) batch_norm_forward;
  decltype(&device::batch_norm_reduce<T>) batch_norm_reduce;
  decltype(&device::batch_norm_backward<T>) batch_norm_backward;

  decltype(&device::max_pool2d<T>) max_pool2d;
  decltype(&device::max_pool2d_backward<T>) max_pool2d_backward;
  decltype(&device::average_pool2d<T>) average_pool2d;
  decltype(&device::average_pool2d_backward<T>) average_pool2d_backward;
  decltype(&device::adaptive_average_pool2d<T>) adaptive_average_pool2d;
  decltype(&device::adaptive_average_pool2d_backward<T>) adaptive_average_pool2d_backward;
  decltype(&device::bilinear_resize<T>) bilinear_resize;
  decltype(&device::bilinear_resize_backward<T>) bilinear_resize_backward;
  decltype(&device::copy_columns<T>) copy_columns;

  decltype(&device::option_a_shortcut<T>) option_a_shortcut;
  decltype(&device::option_a_shortcut_backward<T>) option_a_shortcut_backward;

  decltype(&device::transpose<float, T>) transpose;  // from f32
};

struct Backend {
  std::string_view name;
  DeviceRuntime runtime;

  TypedKernels<float> f32;
  TypedKernels<simt::bfloat16> bf16;

  // Of float alone.
  decltype(&device::convert<float, simt::bfloat16>) to_bf16;
  decltype(&device::convert<simt::bfloat16, float>) from_bf16;

  decltype(&device::multiply<float>) multiply;
  decltype(&device::scale<float>) scale;
  decltype(&device::sigmoid<float>) sigmoid;
  decltype(&device::sigmoid_backward<float>) sigmoid_backward;
  decltype(&device::sum_sigmoid) sum_sigmoid;
  decltype(&device::sum_sigmoid_backward) sum_sigmoid_backward;
  decltype(&device::weighted_sum) weighted_sum;

  decltype(&device::batch_norm_partials) batch_norm_partials;
  decltype(&device::batch_norm_tickets) batch_norm_tickets;
  decltype(&device::batch_norm_running) batch_norm_running;

  decltype(&device::batch_shaping) batch_shaping;
  decltype(&device::binary_concrete) binary_concrete;

  // Of activations by ConvCompute.
  decltype(&device::plan_gated_conv) plan_gated_conv;
  decltype(&device::weight_bytes) gated_conv_weight_bytes;
  decltype(&device::lay_out_weights) lay_out_gated_conv_weights;
  decltype(&device::gated_conv) gated_conv;
  decltype(&device::infer_gates) infer_gates;
  decltype(&device::list_gates) list_gates;
  decltype(&device::pooled_means) pooled_means;

  decltype(&device::linear) linear;
  decltype(&device::linear_backward_input) linear_backward_input;
  decltype(&device::linear_backward_weight) linear_backward_weight;
  decltype(&device::linear_backward_bias) linear_backward_bias;

  decltype(&device::argmax_channels) argmax_channels;
  decltype(&device::measure_peak) measure_peak;

  decltype(&device::softmax_cross_entropy<float>) softmax_cross_entropy;
  decltype(&device::softmax_cross_entropy_backward<float>) softmax_cross_entropy_backward;
  decltype(&device::sgd_step) sgd_step;

  // T: float or simt::bfloat16.
  template <class T>
  const TypedKernels<T>& typed() const {
    if constexpr (std::is_same_v<T, float>) {
      return f32;
    } else {
      return bf16;
    }
  }
};

// Of the emulator.
const Backend& emulated_backend();

// What the CUDA back end's shared library exports: a function without arguments that returns `const Backend*`. The name
// carries a number that changes whenever the table does.
inline constexpr const char* kCudaBackendEntry = "bsg_cuda_backend_9";

}  // namespace bsg::kernels
