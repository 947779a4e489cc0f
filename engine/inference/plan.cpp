#include "engine/inference/plan.hpp"

#include <omp.h>

#include "engine/core/error.hpp"
#include "engine/inference/cpu_program.hpp"
#include "engine/inference/graph.hpp"

namespace bsg::inference {
namespace {

Graph lowered(const nn::Network& network) {
  Graph graph;
  network.lower(graph);
  if (graph.classes() == 0) throw_error<ShapeError>("inference plan: the network has no classifier");
  if (graph.gates().size() != network.macs().layers.size())
    throw_error<ShapeError>("inference plan: {} gating modules, the network counts MACs for {} gated layers",
                            graph.gates().size(), network.macs().layers.size());
  return graph;
}

}  // namespace

struct Plan::State {
  State(Context& c, const Graph& graph)
      : context(c), image(graph.shape(Value{0})), classes(graph.classes()), program(graph) {
    const auto threads = static_cast<std::int64_t>(context.threads());
    planes = Tensor::zeros(context, {threads, program.plane_elements()});
    sums = Tensor::empty(context, {threads, program.sum_elements()});
    scratch = Tensor::empty(context, {threads, program.scratch_elements()});
    masks = Tensor::empty(context, {threads, program.all_gates()});
    open = Tensor::empty(context, {threads, program.all_gates()}, DType::i32);
    open_count = Tensor::empty(context, {threads, program.modules()}, DType::i64);
  }

  // The memory of a thread, and of the sample that it works on.
  Worker worker(std::int64_t thread, std::int64_t sample) {
    return {.planes = planes.data<float>() + sample * program.plane_elements(),
            .sums = sums.data<float>() + sample * program.sum_elements(),
            .scratch = scratch.data<float>() + thread * program.scratch_elements(),
            .masks = masks.data<float>() + thread * program.all_gates(),
            .open = open.data<std::int32_t>() + thread * program.all_gates(),
            .open_count = open_count.data<std::int64_t>() + thread * program.modules()};
  }

  Context& context;
  const Graph::ValueShape image;
  const std::int64_t classes;
  const CpuProgram program;
  Tensor planes, sums, scratch, masks, open, open_count;  // [threads, ...]
};

Plan::Plan(Context& context, const nn::Network& network) : state_(std::make_unique<State>(context, lowered(network))) {}
Plan::~Plan() = default;

std::size_t Plan::bytes() const {
  const State& s = *state_;
  return s.program.constant_bytes() + s.planes.bytes() + s.sums.bytes() + s.scratch.bytes() + s.masks.bytes() +
         s.open.bytes() + s.open_count.bytes();
}

Output Plan::run(const Tensor& images, const RunOptions& options) {
  State& s = *state_;
  const Graph::ValueShape& shape = s.image;
  if (!images.defined() || images.dtype() != DType::f32 || images.shape().rank() != 4 ||
      images.shape()[1] != shape.channels || images.shape()[2] != shape.height || images.shape()[3] != shape.width)
    throw_error<ShapeError>("inference plan: images {} {}, expected f32 [N, {}, {}, {}]",
                            images.defined() ? to_string(images.dtype()) : "undefined", images.shape().str(),
                            shape.channels, shape.height, shape.width);
  const std::int64_t batch = images.shape()[0];
  Output output{Tensor::empty(s.context, {batch, s.classes}),
                Tensor::empty(s.context, {batch, s.program.modules()}, DType::i32), Tensor()};
  if (options.gates) output.gates = Tensor::empty(s.context, {batch, s.program.all_gates()}, DType::u8);
  const auto sample = [&](std::int64_t n) {
    return Sample{
        .image = images.data<float>() + n * shape.channels * shape.height * shape.width,
        .skip = options.execution == Execution::gated,
        .logits = output.logits.data<float>() + n * s.classes,
        .open = output.open.data<std::int32_t>() + n * s.program.modules(),
        .gates = options.gates ? output.gates.data<std::uint8_t>() + n * s.program.all_gates() : nullptr,
    };
  };
  const int threads = s.context.threads();
  if (batch >= threads) {
    // One sample after the other to whichever thread is free: cores of a shared machine are not equally fast.
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
    for (std::int64_t n = 0; n < batch; ++n) {
      const int thread = omp_get_thread_num();
      s.program.run(sample(n), s.worker(thread, thread), [] {});
    }
  } else {
#pragma omp parallel num_threads(threads)
    {
      Worker worker = s.worker(omp_get_thread_num(), 0);
      worker.part = omp_get_thread_num();
      worker.parts = omp_get_num_threads();
      for (std::int64_t n = 0; n < batch; ++n)
        s.program.run(sample(n), worker, [] {
#pragma omp barrier
        });
    }
  }
  return output;
}

}  // namespace bsg::inference
