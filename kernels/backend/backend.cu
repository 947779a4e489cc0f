#include "kernels/backend/backend.hpp"
#include "kernels/simt/graph.hpp"
#include "kernels/simt/runtime.hpp"
#include "kernels/simt/simt.hpp"

namespace bsg::kernels {
namespace {

#if defined(__CUDACC__)
constexpr std::string_view kName = "cuda";
#else
constexpr std::string_view kName = "simt";
#endif

template <class T>
constexpr TypedKernels<T> kTyped = {
    .conv2d_forward = device::conv2d_forward<T>,
    .conv2d_backward_input = device::conv2d_backward_input<T>,
    .conv2d_weight_gradient_workspace = device::conv2d_weight_gradient_workspace,
    .conv2d_backward_weight = device::conv2d_backward_weight<T>,
    .conv2d_backward_bias = device::conv2d_backward_bias<T>,
    .relu = device::relu<T>,
    .relu_backward = device::relu_backward<T>,
    .add = device::add<T>,
    .scale_channels = device::scale_channels<T>,
    .mask_channels = device::mask_channels<T>,
    .fill_channels = device::fill_channels<T>,
    .dot_channels = device::dot_channels<T>,
    .sum_channels = device::sum_channels<T>,
    .batch_norm_statistics = device::batch_norm_statistics<T>,
    .batch_norm_forward = device::batch_norm_forward<T>,
    .batch_norm_reduce = device::batch_norm_reduce<T>,
    .batch_norm_backward = device::batch_norm_backward<T>,
    .max_pool2d = device::max_pool2d<T>,
    .max_pool2d_backward = device::max_pool2d_backward<T>,
    .average_pool2d = device::average_pool2d<T>,
    .average_pool2d_backward = device::average_pool2d_backward<T>,
    .adaptive_average_pool2d = device::adaptive_average_pool2d<T>,
    .adaptive_average_pool2d_backward = device::adaptive_average_pool2d_backward<T>,
    .bilinear_resize = device::bilinear_resize<T>,
    .bilinear_resize_backward = device::bilinear_resize_backward<T>,
    .copy_columns = device::copy_columns<T>,
    .option_a_shortcut = device::option_a_shortcut<T>,
    .option_a_shortcut_backward = device::option_a_shortcut_backward<T>,
    .transpose = device::transpose<float, T>,
};

constexpr Backend kBackend = {
    .name = kName,
    .runtime = {.device_count = simt::device_count,
                .device_name = simt::device_name,
                .create_stream = simt::create_stream,
                .destroy_stream = simt::destroy_stream,
                .allocate = simt::allocate,
                .release = simt::release,
                .allocate_pinned = simt::allocate_pinned,
                .release_pinned = simt::release_pinned,
                .copy_to_device = simt::copy_to_device,
                .copy_to_host = simt::copy_to_host,
                .copy_to_host_later = simt::copy_to_host_later,
                .copy_on_device = simt::copy_on_device,
                .clear = simt::clear,
                .synchronize = simt::synchronize,
                .create_event = simt::create_event,
                .destroy_event = simt::destroy_event,
                .record_event = simt::record_event,
                .wait_for_event = simt::wait_for_event,
                .synchronize_event = simt::synchronize_event,
                .elapsed_milliseconds = simt::elapsed_milliseconds,
                .begin_capture = simt::begin_capture,
                .end_capture = simt::end_capture,
                .launch_graph = simt::launch_graph,
                .destroy_graph = simt::destroy_graph},
    .f32 = kTyped<float>,
    .bf16 = kTyped<simt::bfloat16>,
    .to_bf16 = device::convert<float, simt::bfloat16>,
    .from_bf16 = device::convert<simt::bfloat16, float>,
    .multiply = device::multiply<float>,
    .scale = device::scale<float>,
    .sigmoid = device::sigmoid<float>,
    .sigmoid_backward = device::sigmoid_backward<float>,
    .sum_sigmoid = device::sum_sigmoid,
    .sum_sigmoid_backward = device::sum_sigmoid_backward,
    .weighted_sum = device::weighted_sum,
    .batch_norm_partials = device::batch_norm_partials,
    .batch_norm_tickets = device::batch_norm_tickets,
    .batch_norm_running = device::batch_norm_running,
    .batch_shaping = device::batch_shaping,
    .binary_concrete = device::binary_concrete,
    .plan_gated_conv = device::plan_gated_conv,
    .gated_conv_weight_bytes = device::weight_bytes,
    .lay_out_gated_conv_weights = device::lay_out_weights,
    .gated_conv = device::gated_conv,
    .infer_gates = device::infer_gates,
    .list_gates = device::list_gates,
    .pooled_means = device::pooled_means,
    .linear = device::linear,
    .linear_backward_input = device::linear_backward_input,
    .linear_backward_weight = device::linear_backward_weight,
    .linear_backward_bias = device::linear_backward_bias,
    .argmax_channels = device::argmax_channels,
    .measure_peak = device::measure_peak,
    .softmax_cross_entropy = device::softmax_cross_entropy<float>,
    .softmax_cross_entropy_backward = device::softmax_cross_entropy_backward<float>,
    .sgd_step = device::sgd_step,
};

}  // namespace

#if !defined(__CUDACC__)
const Backend& emulated_backend() { return kBackend; }
#endif

}  // namespace bsg::kernels

#if defined(__CUDACC__)
// The name that kCudaBackendEntry holds.
extern "C" __attribute__((visibility("default"))) const bsg::kernels::Backend* bsg_cuda_backend_9() {
  return &bsg::kernels::kBackend;
}
#endif
