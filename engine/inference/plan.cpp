#include "engine/inference/plan.hpp"

#include "engine/core/error.hpp"
#include "engine/inference/executor.hpp"
#include "engine/inference/graph.hpp"

namespace bsg::inference {
namespace {

Graph lowered(const nn::Network& network) {
  Graph graph;
  network.lower(graph);
  if (graph.classes() == 0) throw_error<ShapeError>("inference plan: the network has no output");
  if (graph.gates().size() != network.macs().layers.size())
    throw_error<ShapeError>("inference plan: {} gating modules, the network counts MACs for {} gated layers",
                            graph.gates().size(), network.macs().layers.size());
  return graph;
}

std::unique_ptr<Executor> executor_for(Context& context, const Graph& graph, Precision precision) {
  if (!context.on_cpu()) return make_device_executor(context, graph, precision);
  if (precision != Precision::f32)
    throw_error<ConfigError>("inference plan: precision {} on device cpu, which computes f32", to_string(precision));
  return make_cpu_executor(context, graph);
}

}  // namespace

Output Output::to(Context& context) const {
  return {logits.to(context), open.to(context), gates.defined() ? gates.to(context) : Tensor()};
}

struct Plan::State {
  State(Context& context, const Graph& graph, Precision precision)
      : image(graph.shape(Value{0})), executor(executor_for(context, graph, precision)) {}

  const Graph::ValueShape image;
  const std::unique_ptr<Executor> executor;
};

Plan::Plan(Context& context, const nn::Network& network, Precision precision)
    : state_(std::make_unique<State>(context, lowered(network), precision)) {}
Plan::~Plan() = default;

std::size_t Plan::bytes() const { return state_->executor->bytes(); }

Output Plan::run(const Tensor& images, const RunOptions& options) {
  const Graph::ValueShape& shape = state_->image;
  if (!images.defined() || images.dtype() != DType::f32 || images.shape().rank() != 4 ||
      images.shape()[1] != shape.channels || images.shape()[2] != shape.height || images.shape()[3] != shape.width)
    throw_error<ShapeError>("inference plan: images {} {}, expected f32 [N, {}, {}, {}]",
                            images.defined() ? to_string(images.dtype()) : "undefined", images.shape().str(),
                            shape.channels, shape.height, shape.width);
  return state_->executor->run(images, options);
}

}  // namespace bsg::inference
