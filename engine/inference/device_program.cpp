#include "engine/inference/device_program.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "engine/core/error.hpp"
#include "kernels/backend/backend.hpp"

namespace bsg::inference {

namespace device = kernels::device;
using device::ConvCompute;
using device::GatedSides;

namespace {

ConvCompute compute_of(Precision precision) {
  switch (precision) {
    case Precision::f32:
      return ConvCompute::fp32;
    case Precision::tf32:
      return ConvCompute::tf32;
    case Precision::bf16:
      return ConvCompute::bf16;
  }
  return ConvCompute::fp32;
}

GatedSides sides_of(const ConvolutionOptions& options) {
  if (options.input_gate && options.output_gate) return GatedSides::both;
  if (options.input_gate) return GatedSides::inputs;
  return options.output_gate ? GatedSides::outputs : GatedSides::none;
}

}  // namespace

// Turns the graph's nodes into steps, and notes which buffers each writes and reads.
class DeviceProgram::Builder {
 public:
  Builder(Context& context, const Graph& graph, DeviceProgram& program)
      : context_(context), graph_(graph), program_(program), compute_(compute_of(program.precision_)) {
    note_means();
    values_.resize(graph.values(), -1);
    means_.resize(graph.values());
    const Graph::ValueShape& image = graph.shape(Value{0});
    program_.upload_ = new_buffer(image.channels * image.height * image.width * 4, kBefore);
    program_.image_ = values_[0] = new_buffer(bytes_of(image), kBefore);
    for (const std::int64_t channels : graph.gates()) {
      program_.first_gate_.push_back(program_.first_gate_.back() + channels);
      program_.masks_.push_back({channels, -1, -1, -1});
    }
    // A result lives from the start, or its last step, to the end.
    program_.open_ = new_buffer(program_.modules() * 4, kBefore);
    program_.gates_ = new_buffer(program_.all_gates(), kBefore);
    for (const Graph::Node& node : graph.nodes()) std::visit([&](const auto& n) { add(n); }, node);
    for (const int result : {program_.open_, program_.gates_, program_.logits_}) read(result);
    program_.max_samples_ = std::numeric_limits<std::int32_t>::max() / most_blocks_;
  }

 private:
  static constexpr int kBefore = -1;  // the step that makes the image

  int next_step() const { return static_cast<int>(program_.steps_.size()); }
  int new_buffer(std::int64_t bytes, int step) {
    program_.buffers_.push_back({bytes, step, step});
    return static_cast<int>(program_.buffers_.size()) - 1;
  }
  // Written by the next step.
  int new_buffer(std::int64_t bytes) { return new_buffer(bytes, next_step()); }
  // Notes that the next step reads it.
  int read(int buffer) {
    program_.buffers_[static_cast<std::size_t>(buffer)].last = next_step();
    return buffer;
  }
  int read(Value value) { return read(values_[static_cast<std::size_t>(value.index)]); }
  std::int64_t bytes_of(const Graph::ValueShape& shape) const {
    return shape.channels * shape.height * shape.width * device::element_bytes(compute_);
  }

  void note_means() {
    wants_mean_.resize(graph_.values());
    for (const Graph::Node& node : graph_.nodes()) {
      if (const auto* decision = std::get_if<Graph::Decision>(&node))
        wants_mean_[static_cast<std::size_t>(decision->x.index)] = true;
      if (const auto* classifier = std::get_if<Graph::Classifier>(&node))
        wants_mean_[static_cast<std::size_t>(classifier->x.index)] = true;
    }
  }

  Tensor constant(const std::vector<float>& values) {
    program_.constant_bytes_ += values.size() * sizeof(float);
    return Tensor::from(context_, {static_cast<std::int64_t>(values.size())}, values);
  }

  Variant variant(const device::ConvShape& shape, GatedSides sides, const Tensor& weight) {
    const kernels::Backend& backend = program_.backend_;
    Variant result{backend.plan_gated_conv(shape, compute_, sides), Tensor()};
    const auto blocks = result.plan.parts() * result.plan.passes;
    if (result.plan.warps == 0 || std::max(shape.inputs, shape.outputs) > device::GateMask::kMaxChannels ||
        blocks > std::numeric_limits<std::int32_t>::max())
      throw_error<ShapeError>(
          "inference plan: a {}x{} convolution from {} to {} channels of {}x{}: device {} has no room for it",
          shape.window.height, shape.window.width, shape.inputs, shape.outputs, shape.height, shape.width,
          to_string(context_.device()));
    most_blocks_ = std::max(most_blocks_, blocks);
    result.weight = Tensor::empty(context_, {backend.gated_conv_weight_bytes(result.plan)}, DType::u8);
    backend.lay_out_gated_conv_weights(context_.launch(), result.plan, weight.data<float>(),
                                       device::WeightStrides::channels_first(shape), result.weight.raw());
    program_.constant_bytes_ += result.weight.bytes();
    return result;
  }

  // The residual as a whole value of y's shape.
  int residual_of(const Graph::Convolution& node) {
    const ConvolutionOptions& options = node.options;
    if (!options.residual) return -1;
    const Graph::ValueShape& from = graph_.shape(*options.residual);
    const Graph::ValueShape& to = graph_.shape(node.y);
    if (options.residual_stride == 1 && from.channels == to.channels)
      return values_[static_cast<std::size_t>(options.residual->index)];
    const int x = read(*options.residual), y = new_buffer(bytes_of(to));
    program_.steps_.emplace_back(
        Shortcut{x, y, {1, from.height, from.width, from.channels, to.channels, options.residual_stride}});
    return y;
  }

  void add(const Graph::Convolution& node) {
    const ConvolutionOptions& options = node.options;
    const Graph::ValueShape& x = graph_.shape(node.x);
    const Graph::ValueShape& y = graph_.shape(node.y);
    const int residual = residual_of(node);
    Convolve step{.x = read(node.x),
                  .y = new_buffer(bytes_of(y)),
                  .residual = residual < 0 ? -1 : read(residual),
                  .sums = -1,
                  .input_gate = options.input_gate ? options.input_gate->index : -1,
                  .output_gate = options.output_gate ? options.output_gate->index : -1,
                  .relu = options.relu,
                  .variant = {},
                  .bias = constant(node.bias)};
    values_[static_cast<std::size_t>(node.y.index)] = step.y;
    for (const int gate : {step.input_gate, step.output_gate}) {
      if (gate < 0) continue;
      const Mask& mask = program_.masks_[static_cast<std::size_t>(gate)];
      for (const int buffer : {mask.list, mask.count, mask.bits}) read(buffer);
    }
    const device::ConvShape shape{
        x.height, x.width, x.channels, y.channels,
        kernels::ConvWindow{node.kernel_height, node.kernel_width, node.stride, node.padding, node.dilation}};
    const Tensor weight = Tensor::from(context_, {static_cast<std::int64_t>(node.weight.size())}, node.weight);
    Variant& gated = step.variant[number(Execution::gated)];
    Variant& dense = step.variant[number(Execution::dense)];
    gated = variant(shape, sides_of(options), weight);
    dense = gated.plan.sides == GatedSides::none ? gated : variant(shape, GatedSides::none, weight);

    if (wants_mean_[static_cast<std::size_t>(node.y.index)]) {
      step.sums = new_buffer(std::max(gated.plan.parts(), dense.plan.parts()) * y.channels * 4);
      Mean& mean = means_[static_cast<std::size_t>(node.y.index)].emplace();
      mean = {step.sums, y.channels, {}, 1.0 / static_cast<double>(y.height * y.width)};
      for (std::size_t i = 0; i < step.variant.size(); ++i) mean.tiles[i] = step.variant[i].plan.parts();
    }
    program_.steps_.emplace_back(std::move(step));
  }

  void add(const Graph::MaxPool& node) {
    const Graph::ValueShape& x = graph_.shape(node.x);
    const Graph::ValueShape& y = graph_.shape(node.y);
    MaxPool step{
        .x = read(node.x),
        .y = new_buffer(bytes_of(y)),
        .sums = -1,
        .shape = {x.channels, x.height, x.width, node.options.kernel, node.options.stride, node.options.padding}};
    values_[static_cast<std::size_t>(node.y.index)] = step.y;
    if (wants_mean_[static_cast<std::size_t>(node.y.index)]) {
      step.sums = new_buffer(y.channels * 4);
      means_[static_cast<std::size_t>(node.y.index)] = {
          step.sums, y.channels, {1, 1}, 1.0 / static_cast<double>(y.height * y.width)};
    }
    program_.steps_.emplace_back(step);
  }

  void add(const Graph::AdaptiveAveragePool& node) {
    const Graph::ValueShape& x = graph_.shape(node.x);
    const Graph::ValueShape& y = graph_.shape(node.y);
    const int from = read(node.x), to = values_[static_cast<std::size_t>(node.y.index)] = new_buffer(bytes_of(y));
    program_.steps_.emplace_back(AdaptivePool{from, to, {x.channels, x.height, x.width, y.height, y.width}});
  }

  void add(const Graph::Concat& node) {
    const Graph::ValueShape& y = graph_.shape(node.y);
    const int to = values_[static_cast<std::size_t>(node.y.index)] = new_buffer(bytes_of(y));
    std::int64_t first = 0;
    for (const Value part : node.parts) {
      const Graph::ValueShape& x = graph_.shape(part);
      int from = read(part);
      if (x.height != y.height || x.width != y.width) {
        const int resized = new_buffer(bytes_of({x.channels, y.height, y.width}));
        program_.steps_.emplace_back(Resize{from, resized, resize(x, y)});
        from = read(resized);
      }
      read(to);
      program_.steps_.emplace_back(Place{from, to, y.height * y.width, x.channels, first, y.channels});
      first += x.channels;
    }
  }

  void add(const Graph::PixelScores& node) {
    const Graph::ValueShape& x = graph_.shape(node.x);
    const Graph::ValueShape& image = graph_.shape(Value{0});
    const int from = read(node.x);
    const int wide = compute_ == ConvCompute::bf16 ? new_buffer(x.channels * x.height * x.width * 4) : -1;
    program_.logits_ = new_buffer(x.channels * image.height * image.width * 4);
    program_.steps_.emplace_back(ScorePixels{from, wide, resize(x, image)});
  }

  kernels::ResizeShape resize(const Graph::ValueShape& x, const Graph::ValueShape& y) const {
    for (const std::int64_t extent : {x.height, x.width, y.height, y.width})
      if (extent > device::kLargestResizeExtent)
        throw_error<ShapeError>("inference plan: {}x{} resized to {}x{}: device {} takes extents up to {}", x.height,
                                x.width, y.height, y.width, to_string(context_.device()), device::kLargestResizeExtent);
    return {x.channels, x.height, x.width, y.height, y.width, false};
  }

  Mean mean_of(Value x) {
    const Mean mean = *means_[static_cast<std::size_t>(x.index)];
    read(mean.sums);
    return mean;
  }

  void add(const Graph::Decision& node) {
    const std::int64_t inputs = node.hidden.inputs, hidden = node.hidden.outputs;
    if (inputs + hidden > device::GateLayers::kMaxUnits)
      throw_error<ShapeError>(
          "inference plan: a gating module of {} inputs and {} hidden units: device {} decides with at most {} in all",
          inputs, hidden, to_string(context_.device()), device::GateLayers::kMaxUnits);
    Mask& mask = program_.masks_[static_cast<std::size_t>(node.gate.index)];
    mask.list = new_buffer(mask.channels * 2);
    mask.count = new_buffer(4);
    mask.bits = new_buffer((mask.channels + 31) / 32 * 4);
    program_.steps_.emplace_back(Decide{.gate = node.gate.index,
                                        .mean = mean_of(node.x),
                                        .hidden = hidden,
                                        .outputs = node.output.outputs,
                                        .weight1 = constant(node.hidden.weight),
                                        .bias1 = constant(node.hidden.bias),
                                        .weight2 = constant(node.output.weight),
                                        .bias2 = constant(node.output.bias)});
  }

  void add(const Graph::Classifier& node) {
    const std::int64_t inputs = node.product.inputs, outputs = node.product.outputs;
    std::vector<float> weight;  // turned to [outputs][inputs]
    for (std::int64_t o = 0; o < outputs; ++o)
      for (std::int64_t i = 0; i < inputs; ++i)
        weight.push_back(node.product.weight[static_cast<std::size_t>(i * outputs + o)]);
    program_.logits_ = new_buffer(outputs * 4);
    program_.steps_.emplace_back(Classify{.mean = mean_of(node.x),
                                          .means = new_buffer(inputs * 4),
                                          .outputs = outputs,
                                          .weight = constant(weight),
                                          .bias = constant(node.product.bias)});
  }

  Context& context_;
  const Graph& graph_;
  DeviceProgram& program_;
  const ConvCompute compute_;
  std::vector<bool> wants_mean_;            // by value of the graph
  std::vector<int> values_;                 // by value of the graph: its buffer
  std::vector<std::optional<Mean>> means_;  // by value of the graph
  std::int64_t most_blocks_ = 1;            // of a sample
};

DeviceProgram::DeviceProgram(Context& context, const Graph& graph, Precision precision)
    : backend_(context.backend()), precision_(precision) {
  Builder(context, graph, *this);
}

MemoryPlan DeviceProgram::plan_buffers(std::int64_t samples) const {
  std::vector<Lifetime> lives;
  for (const Buffer& buffer : buffers_)
    lives.push_back({static_cast<std::size_t>(samples * buffer.bytes), buffer.first, buffer.last});
  return plan_memory(lives);
}

// One run: the steps' arguments.
class DeviceProgram::Runner {
 public:
  Runner(const DeviceProgram& program, const kernels::Launch& launch, const MemoryPlan& plan, std::int64_t samples,
         std::byte* memory, Execution execution)
      : p_(program),
        launch_(launch),
        plan_(plan),
        samples_(samples),
        memory_(memory),
        dense_(execution == Execution::dense),
        which_(number(execution)) {}

  void operator()(const Convolve& step) const {
    const Variant& variant = step.variant[which_];
    const device::ConvShape& shape = variant.plan.shape;
    device::GatedConv conv;
    conv.plan = &variant.plan;
    conv.batch = samples_;
    conv.x = at(step.x);
    conv.x_pitch = shape.inputs;
    conv.weight = variant.weight.raw();
    if (!dense_ && step.input_gate >= 0) conv.input_mask = mask(step.input_gate);
    if (step.output_gate >= 0) conv.output_mask = mask(step.output_gate);
    conv.bias = step.bias.data<float>();
    if (step.residual >= 0) conv.residual = at(step.residual);
    conv.residual_pitch = shape.outputs;
    conv.relu = step.relu;
    conv.y = at(step.y);
    conv.y_pitch = shape.outputs;
    if (step.sums >= 0) conv.sums = at<float>(step.sums);
    p_.backend_.gated_conv(launch_, conv);
  }

  void operator()(const Shortcut& step) const {
    device::OptionAShape shape = step.shape;
    shape.samples = samples_;
    if (p_.precision_ == Precision::bf16)
      p_.backend_.bf16.option_a_shortcut(launch_, shape, at<simt::bfloat16>(step.x), at<simt::bfloat16>(step.y));
    else
      p_.backend_.f32.option_a_shortcut(launch_, shape, at<float>(step.x), at<float>(step.y));
  }

  void operator()(const MaxPool& step) const {
    if (p_.precision_ == Precision::bf16)
      pool<simt::bfloat16>(step, p_.backend_.bf16);
    else
      pool<float>(step, p_.backend_.f32);
  }

  void operator()(const AdaptivePool& step) const {
    typed([&]<class T>(const kernels::TypedKernels<T>& kernels) {
      kernels::AdaptivePoolShape shape = step.shape;
      const std::int64_t channels = shape.planes;
      shape.planes *= samples_;
      kernels.adaptive_average_pool2d(launch_, shape, channels, at<T>(step.x), at<T>(step.y));
    });
  }

  void operator()(const Resize& step) const {
    typed([&]<class T>(const kernels::TypedKernels<T>& kernels) {
      resize(kernels, step.shape, at<T>(step.x), at<T>(step.y));
    });
  }

  void operator()(const Place& step) const {
    typed([&]<class T>(const kernels::TypedKernels<T>& kernels) {
      kernels.copy_columns(launch_, samples_ * step.pixels, step.channels, at<T>(step.x), step.channels,
                           at<T>(step.y) + step.first, step.y_channels, false);
    });
  }

  void operator()(const ScorePixels& step) const {
    if (step.wide >= 0)
      p_.backend_.from_bf16(launch_, samples_ * step.shape.planes * step.shape.height * step.shape.width,
                            at<simt::bfloat16>(step.x), at<float>(step.wide));
    resize(p_.backend_.f32, step.shape, at<float>(step.wide >= 0 ? step.wide : step.x), at<float>(p_.logits_));
  }

  void operator()(const Decide& step) const {
    const device::GateLayers layers{.inputs = step.mean.channels,
                                    .hidden = step.hidden,
                                    .outputs = step.outputs,
                                    .weight1 = step.weight1.data<float>(),
                                    .bias1 = step.bias1.data<float>(),
                                    .weight2 = step.weight2.data<float>(),
                                    .bias2 = step.bias2.data<float>()};
    p_.backend_.infer_gates(launch_, sums_of(step.mean), layers, mask(step.gate),
                            {.open = at<std::int32_t>(p_.open_) + step.gate,
                             .gates = at<std::uint8_t>(p_.gates_) + p_.first_gate_[static_cast<std::size_t>(step.gate)],
                             .open_pitch = p_.modules(),
                             .gates_pitch = p_.all_gates()});
  }

  void operator()(const Classify& step) const {
    p_.backend_.pooled_means(launch_, sums_of(step.mean), samples_, step.mean.channels, at<float>(step.means));
    p_.backend_.linear(launch_, {samples_, step.mean.channels, step.outputs}, at<float>(step.means),
                       step.weight.data<float>(), step.bias.data<float>(), at<float>(p_.logits_));
  }

 private:
  template <class T = std::byte>
  T* at(int buffer) const {
    return reinterpret_cast<T*>(memory_ + plan_.offset[static_cast<std::size_t>(buffer)]);
  }
  device::GateMask mask(int gate) const {
    const Mask& mask = p_.masks_[static_cast<std::size_t>(gate)];
    return {samples_, mask.channels, at<std::uint16_t>(mask.list), at<std::int32_t>(mask.count),
            at<std::uint32_t>(mask.bits)};
  }
  template <class T>
  void pool(const MaxPool& step, const kernels::TypedKernels<T>& kernels) const {
    kernels::Pool2dShape shape = step.shape;
    const std::int64_t channels = shape.planes;
    shape.planes *= samples_;
    kernels.max_pool2d(launch_, shape, channels, at<T>(step.x), at<T>(step.y));
    if (step.sums < 0) return;
    const device::ChannelsLastShape result{samples_, shape.out_height() * shape.out_width(), channels};
    kernels.sum_channels(launch_, result, at<T>(step.y), 1, at<float>(step.sums));
  }
  // run(kernels of the activations' type).
  template <class Run>
  void typed(const Run& run) const {
    if (p_.precision_ == Precision::bf16)
      run(p_.backend_.bf16);
    else
      run(p_.backend_.f32);
  }
  template <class T>
  void resize(const kernels::TypedKernels<T>& kernels, kernels::ResizeShape shape, const T* x, T* y) const {
    const std::int64_t channels = shape.planes;
    shape.planes *= samples_;
    kernels.bilinear_resize(launch_, shape, channels, x, y);
  }
  device::PooledSums sums_of(const Mean& mean) const { return {at<float>(mean.sums), mean.tiles[which_], mean.factor}; }

  const DeviceProgram& p_;
  const kernels::Launch& launch_;
  const MemoryPlan& plan_;
  const std::int64_t samples_;
  std::byte* const memory_;
  const bool dense_;
  const std::size_t which_;
};

DeviceBatch DeviceProgram::batch(const MemoryPlan& plan, std::int64_t samples, std::byte* memory) const {
  const auto at = [&](int buffer) { return memory + plan.offset[static_cast<std::size_t>(buffer)]; };
  return {samples,
          at(image_),
          reinterpret_cast<float*>(at(upload_)),
          reinterpret_cast<float*>(at(logits_)),
          reinterpret_cast<std::int32_t*>(at(open_)),
          reinterpret_cast<std::uint8_t*>(at(gates_))};
}

void DeviceProgram::run(const kernels::Launch& launch, const MemoryPlan& plan, std::int64_t samples, std::byte* memory,
                        Execution execution) const {
  const Runner runner(*this, launch, plan, samples, memory, execution);
  for (const Step& step : steps_) std::visit(runner, step);
}

}  // namespace bsg::inference
