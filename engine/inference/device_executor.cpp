#include <array>
#include <exception>
#include <map>
#include <optional>

#include "engine/core/error.hpp"
#include "engine/inference/device_program.hpp"
#include "engine/inference/executor.hpp"
#include "kernels/backend/backend.hpp"

namespace bsg::inference {
namespace {

using kernels::DeviceRuntime;

// What queue() queued on the stream, to be launched again.
class DeviceGraph {
 public:
  template <class Queue>
  DeviceGraph(const DeviceRuntime& runtime, void* stream, const Queue& queue) : runtime_(runtime) {
    runtime.begin_capture(stream);
    try {
      queue();
    } catch (const std::exception&) {
      try {
        runtime.destroy_graph(runtime.end_capture(stream));
      } catch (const std::exception&) {
        // The first error says more.
      }
      throw;
    }
    graph_ = runtime.end_capture(stream);
  }
  ~DeviceGraph() { runtime_.destroy_graph(graph_); }
  DeviceGraph(const DeviceGraph&) = delete;
  DeviceGraph& operator=(const DeviceGraph&) = delete;

  void launch(void* stream) const { runtime_.launch_graph(graph_, stream); }

 private:
  const DeviceRuntime& runtime_;
  void* graph_ = nullptr;
};

class DeviceExecutor final : public Executor {
 public:
  DeviceExecutor(Context& context, const Graph& graph, Precision precision)
      : context_(context),
        runtime_(context.backend().runtime),
        image_(graph.shape(Value{0})),
        output_(graph.output()),
        program_(context, graph, precision) {}

  Output run(const Tensor& images, const RunOptions& options) override {
    const std::int64_t samples = images.shape()[0];
    if (samples > program_.max_samples())
      throw_error<ShapeError>("inference plan: a batch of {} images, device {} takes at most {}", samples,
                              to_string(context_.device()), program_.max_samples());
    Output output{Tensor::empty(context_, output_.batch(samples)),
                  Tensor::empty(context_, {samples, program_.modules()}, DType::i32), Tensor()};
    if (options.gates) output.gates = Tensor::empty(context_, {samples, program_.all_gates()}, DType::u8);
    if (samples == 0) return output;

    Size& size = prepare(samples);
    const DeviceBatch batch = program_.batch(size.buffers, samples, memory());
    place(images, batch);
    start(size, samples, options.execution);
    take(output.logits, batch.logits);
    take(output.open, batch.open);
    if (options.gates) take(output.gates, batch.gates);
    return output;
  }

  std::size_t bytes() const override { return program_.constant_bytes() + memory_.bytes(); }

 private:
  struct Size {
    MemoryPlan buffers;
    struct Recorded {
      bool ran = false;
      std::optional<DeviceGraph> graph;
    };
    std::array<Recorded, 2> recorded = {};  // by Execution
  };

  std::byte* memory() { return static_cast<std::byte*>(memory_.raw()); }

  // Memory is that of the largest batch so far; graphs name it, and go with it.
  Size& prepare(std::int64_t samples) {
    const auto known = sizes_.find(samples);
    if (known != sizes_.end()) return known->second;
    MemoryPlan buffers = program_.plan_buffers(samples);
    if (buffers.bytes > memory_.bytes()) {
      sizes_.clear();
      memory_ = Tensor();
      memory_ = Tensor::empty(context_, {static_cast<std::int64_t>(buffers.bytes)}, DType::u8);
    }
    Size& size = sizes_[samples];
    size.buffers = std::move(buffers);
    return size;
  }

  void place(const Tensor& images, const DeviceBatch& batch) {
    const kernels::Launch launch = context_.launch();
    const kernels::Backend& backend = context_.backend();
    const bool bf16 = program_.precision() == Precision::bf16;
    auto* const narrow = reinterpret_cast<simt::bfloat16*>(batch.image);
    auto* const wide = reinterpret_cast<float*>(batch.image);
    if (images.device() == context_.device()) {
      if (bf16)
        backend.to_bf16(launch, images.numel(), images.data<float>(), narrow);
      else
        runtime_.copy_on_device(wide, images.raw(), images.bytes(), launch.stream);
      return;
    }
    host_images_ = images.device() == Device::cpu ? images : images.to(host_);
    runtime_.copy_to_device(batch.upload, host_images_.raw(), host_images_.bytes(), launch.stream);
    const std::int64_t pixels = image_.height * image_.width;
    if (bf16)
      backend.bf16.transpose(launch, batch.samples, image_.channels, pixels, batch.upload, narrow);
    else
      backend.f32.transpose(launch, batch.samples, image_.channels, pixels, batch.upload, wide);
  }

  // The first run of a size queues its kernels one by one, which loads them; the second records them.
  void start(Size& size, std::int64_t samples, Execution execution) {
    Size::Recorded& recorded = size.recorded[static_cast<std::size_t>(execution)];
    const kernels::Launch launch = context_.launch();
    const auto queue = [&] { program_.run(launch, size.buffers, samples, memory(), execution); };
    if (!recorded.ran) {
      queue();
      recorded.ran = true;
      return;
    }
    if (!recorded.graph) recorded.graph.emplace(runtime_, launch.stream, queue);
    recorded.graph->launch(launch.stream);
  }

  template <class T>
  void take(Tensor& result, const T* from) {
    if (result.bytes() != 0) runtime_.copy_on_device(result.raw(), from, result.bytes(), context_.launch().stream);
  }

  Context& context_;
  const DeviceRuntime& runtime_;
  const Graph::ValueShape image_;
  const Graph::OutputShape output_;
  const DeviceProgram program_;
  Context host_;
  Tensor memory_;                       // u8
  Tensor host_images_;                  // of the latest run: its copy to the device may still be under way
  std::map<std::int64_t, Size> sizes_;  // by samples; its graphs go before memory_ does
};

}  // namespace

std::unique_ptr<Executor> make_device_executor(Context& context, const Graph& graph, Precision precision) {
  return std::make_unique<DeviceExecutor>(context, graph, precision);
}

}  // namespace bsg::inference
