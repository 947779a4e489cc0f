#include "engine/inference/cpu_program.hpp"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

namespace bsg::inference {

using kernels::PlaneLayout;
namespace cpu = kernels::cpu;

// Turns the graph's nodes into steps. Values of the program are the graph's, and their phases where a strided
// convolution reads them.
class CpuProgram::Builder {
 public:
  Builder(const Graph& graph, CpuProgram& program) : graph_(graph), program_(program) {
    choose_frames();
    place_sums();
    whole_.resize(graph.values(), -1);
    const PlaneLayout image = layout(Value{0});
    whole_[0] = new_value(image);
    program_.steps_.emplace_back(Load{whole_[0], image});
    for (const Graph::Node& node : graph.nodes()) std::visit([&](const auto& n) { add(n); }, node);
    for (const std::int64_t gates : graph.gates()) program_.first_gate_.push_back(program_.first_gate_.back() + gates);
    program_.all_.resize(static_cast<std::size_t>(channels_));
    std::iota(program_.all_.begin(), program_.all_.end(), 0);
    program_.storage_ = assign_storage(lives_);
  }

 private:
  // Wide enough for the padding of every convolution that reads the value as it is.
  void choose_frames() {
    frames_.resize(graph_.values());
    for (const Graph::Node& node : graph_.nodes())
      if (const auto* conv = std::get_if<Graph::Convolution>(&node); conv != nullptr && conv->stride == 1) {
        std::int64_t& frame = frames_[static_cast<std::size_t>(conv->x.index)];
        frame = std::max(frame, conv->padding);
      }
  }

  // A place for the sums of every value of which means are taken.
  void place_sums() {
    sums_.resize(graph_.values(), -1);
    const auto want = [&](Value x) {
      std::int64_t& place = sums_[static_cast<std::size_t>(x.index)];
      if (place >= 0) return;
      place = program_.sum_elements_;
      program_.sum_elements_ += graph_.shape(x).channels * PlaneLayout::kSlack;
    };
    for (const Graph::Node& node : graph_.nodes()) {
      if (const auto* decision = std::get_if<Graph::Decision>(&node)) want(decision->x);
      if (const auto* classifier = std::get_if<Graph::Classifier>(&node)) want(classifier->x);
    }
  }

  PlaneLayout layout(Value v) const {
    const Graph::ValueShape& shape = graph_.shape(v);
    return {shape.channels, shape.height, shape.width, frames_[static_cast<std::size_t>(v.index)], 1};
  }

  // A value of the program, written by the next step.
  int new_value(const PlaneLayout& planes, int overwrites = -1) {
    channels_ = std::max(channels_, planes.channels);
    lives_.push_back({planes, next_step(), -1, overwrites});
    return static_cast<int>(lives_.size()) - 1;
  }
  // Notes that the next step reads it.
  int read(int value) {
    lives_[static_cast<std::size_t>(value)].last_read = next_step();
    return value;
  }
  int next_step() const { return static_cast<int>(program_.steps_.size()); }
  int whole(Value v) const { return whole_[static_cast<std::size_t>(v.index)]; }

  // v in phases, by a step of its own before the first that reads them. Any frame will do where none is given.
  int split(Value v, std::int64_t phases, std::optional<std::int64_t> frame) {
    for (const PhasesOf& known : splits_)
      if (known.value == v && known.layout.phases == phases && (!frame || known.layout.frame == *frame))
        return known.result;
    const Graph::ValueShape& shape = graph_.shape(v);
    const PlaneLayout to{shape.channels, shape.height, shape.width, frame.value_or(0), phases};
    const int from = read(whole(v)), result = new_value(to);
    program_.steps_.emplace_back(Split{from, result, layout(v), to});
    splits_.push_back({v, to, result});
    return result;
  }
  int source(Value v, std::int64_t stride, std::optional<std::int64_t> frame) {
    return stride == 1 ? whole(v) : split(v, stride, frame);
  }

  void add(const Graph::Convolution& node) {
    const ConvolutionOptions& options = node.options;
    const int x = source(node.x, node.stride, node.padding);
    const int residual = options.residual ? source(*options.residual, options.residual_stride, std::nullopt) : -1;
    kernels::ResidualLayout residual_layout;
    if (residual >= 0) {
      residual_layout = {lives_[static_cast<std::size_t>(read(residual))].layout, options.residual_stride};
    }
    const PlaneLayout x_layout = lives_[static_cast<std::size_t>(read(x))].layout, y_layout = layout(node.y);
    const int y = new_value(y_layout, options.residual_stride == 1 ? residual : -1);
    whole_[static_cast<std::size_t>(node.y.index)] = y;
    const kernels::ConvWindow window{node.kernel_height, node.kernel_width, node.stride, node.padding, node.dilation};
    const std::int64_t residual_channels = residual_layout.planes.channels;
    cpu::ConvGeometry geometry(
        x_layout, window, y_layout, residual >= 0 ? &residual_layout : nullptr,
        options.input_gate && !options.output_gate ? cpu::WeightOrder::inputs : cpu::WeightOrder::outputs);
    need_scratch(geometry.scratch());
    std::vector<float> weight = cpu::lay_out_weights(geometry, node.weight);
    program_.steps_.emplace_back(Convolve{.x = x,
                                          .y = y,
                                          .residual = residual,
                                          .input_gate = options.input_gate ? options.input_gate->index : -1,
                                          .output_gate = options.output_gate ? options.output_gate->index : -1,
                                          .inputs = x_layout.channels,
                                          .outputs = y_layout.channels,
                                          .residual_first = (y_layout.channels - residual_channels) / 2,
                                          .residual_channels = residual_channels,
                                          .relu = options.relu,
                                          .sums = sums_[static_cast<std::size_t>(node.y.index)],
                                          .weight = std::move(weight),
                                          .bias = node.bias,
                                          .geometry = std::move(geometry)});
  }

  void add(const Graph::MaxPool& node) {
    const int x = read(whole(node.x));
    const PlaneLayout x_layout = layout(node.x), y_layout = layout(node.y);
    const int y = whole_[static_cast<std::size_t>(node.y.index)] = new_value(y_layout);
    const cpu::PoolWindow window{node.options.kernel, node.options.stride, node.options.padding};
    need_scratch(cpu::max_pool_scratch(x_layout));
    program_.steps_.emplace_back(
        MaxPool{x, y, x_layout, y_layout, window, sums_[static_cast<std::size_t>(node.y.index)]});
  }

  void add(const Graph::AdaptiveAveragePool& node) {
    const int x = read(whole(node.x));
    const PlaneLayout x_layout = layout(node.x), y_layout = layout(node.y);
    const int y = whole_[static_cast<std::size_t>(node.y.index)] = new_value(y_layout);
    program_.steps_.emplace_back(AdaptivePool{x, y, x_layout, y_layout});
  }

  void add(const Graph::Concat& node) {
    const PlaneLayout y_layout = layout(node.y);
    const int y = whole_[static_cast<std::size_t>(node.y.index)] = new_value(y_layout);
    std::int64_t first = 0;
    for (const Value part : node.parts) {
      // Not done until the last part is there, whoever reads it.
      const int x = read(whole(part));
      read(y);
      const PlaneLayout x_layout = layout(part);
      program_.steps_.emplace_back(Place{x, y, first, x_layout, y_layout, resize(x_layout, node.y)});
      first += x_layout.channels;
    }
  }

  void add(const Graph::PixelScores& node) {
    const int x = read(whole(node.x));
    program_.steps_.emplace_back(ScorePixels{x, layout(node.x), resize(layout(node.x), Value{0})});
  }

  cpu::BilinearPlanes resize(const PlaneLayout& from, Value to) {
    const Graph::ValueShape& shape = graph_.shape(to);
    need_scratch(from.width);
    return cpu::BilinearPlanes(from.height, from.width, shape.height, shape.width);
  }

  void add(const Graph::Decision& node) {
    need_scratch(node.hidden.inputs + node.hidden.outputs + node.output.outputs);
    program_.steps_.emplace_back(Decide{node.gate.index, mean_of(node.x), node.hidden, node.output});
  }

  void add(const Graph::Classifier& node) {
    need_scratch(node.product.inputs);
    program_.steps_.emplace_back(Classify{mean_of(node.x), node.product});
  }

  Mean mean_of(Value x) const {
    const Graph::ValueShape& shape = graph_.shape(x);
    return {sums_[static_cast<std::size_t>(x.index)], shape.channels,
            static_cast<float>(1.0 / static_cast<double>(shape.height * shape.width))};
  }
  void need_scratch(std::int64_t elements) {
    program_.scratch_elements_ = std::max(program_.scratch_elements_, elements);
  }

  struct PhasesOf {
    Value value;
    PlaneLayout layout;
    int result;
  };
  const Graph& graph_;
  CpuProgram& program_;
  std::vector<std::int64_t> frames_, sums_;  // by value of the graph
  std::vector<int> whole_;                   // by value of the graph: the program's
  std::vector<PhasesOf> splits_;
  std::vector<Life> lives_;  // by value of the program
  std::int64_t channels_ = 0;
};

CpuProgram::CpuProgram(const Graph& graph) { Builder(graph, *this); }

std::size_t CpuProgram::constant_bytes() const {
  std::size_t elements = 0;
  const auto count = [&](const auto& layer) { elements += layer.weight.size() + layer.bias.size(); };
  for (const Step& step : steps_) {
    if (const auto* convolve = std::get_if<Convolve>(&step)) count(*convolve);
    if (const auto* classify = std::get_if<Classify>(&step)) count(classify->product);
    if (const auto* decide = std::get_if<Decide>(&step)) {
      count(decide->hidden);
      count(decide->output);
    }
  }
  return elements * sizeof(float);
}

namespace {

// The part of [0, count) that is the worker's.
std::pair<std::int64_t, std::int64_t> share(std::int64_t count, const Worker& worker) {
  return {count * worker.part / worker.parts, count * (worker.part + 1) / worker.parts};
}

void product(const Graph::Product& layer, const float* x, bool relu, float* y) {
  cpu::affine({layer.inputs, layer.outputs, layer.weight.data(), layer.bias.data()}, x, relu, y);
}

}  // namespace

void CpuProgram::execute(const Load& step, const Sample& sample, const Worker& worker) const {
  const auto [begin, end] = share(step.layout.channels, worker);
  cpu::place_sample(step.layout, sample.image, begin, end, planes_of(step.to, worker));
}

void CpuProgram::execute(const Split& step, const Sample&, const Worker& worker) const {
  const auto [begin, end] = share(step.from_layout.channels, worker);
  cpu::split_phases(step.from_layout, planes_of(step.from, worker), step.to_layout, begin, end,
                    planes_of(step.to, worker));
}

void CpuProgram::execute(const Convolve& step, const Sample& sample, const Worker& worker) const {
  const auto first = [&](int gate) { return first_gate_[static_cast<std::size_t>(gate)]; };
  cpu::GatedConv conv{.geometry = &step.geometry,
                      .x = planes_of(step.x, worker),
                      .weight = step.weight.data(),
                      .bias = step.bias.data(),
                      .inputs = all_.data(),
                      .input_count = step.inputs,
                      .outputs = all_.data(),
                      .output_count = step.outputs,
                      .residual_first = step.residual_first,
                      .residual_channels = step.residual_channels,
                      .relu = step.relu,
                      .y = planes_of(step.y, worker),
                      .scratch = worker.scratch};
  if (step.residual >= 0) conv.residual = planes_of(step.residual, worker);
  if (step.sums >= 0) conv.sums = worker.sums + step.sums;
  if (step.input_gate >= 0 && sample.skip) {
    conv.inputs = worker.open + first(step.input_gate);
    conv.input_count = worker.open_count[step.input_gate];
  }
  if (step.output_gate >= 0) {
    if (sample.skip) {
      conv.outputs = worker.open + first(step.output_gate);
      conv.output_count = worker.open_count[step.output_gate];
    } else {
      conv.scale = worker.masks + first(step.output_gate);
    }
  }
  const auto [begin, end] = share(conv.output_count, worker);
  conv.outputs += begin;
  conv.output_count = end - begin;
  cpu::gated_conv(conv);
}

void CpuProgram::execute(const MaxPool& step, const Sample&, const Worker& worker) const {
  const auto [begin, end] = share(step.x_layout.channels, worker);
  cpu::max_pool_planes(step.window, step.x_layout, planes_of(step.x, worker), step.y_layout, begin, end,
                       planes_of(step.y, worker), step.sums < 0 ? nullptr : worker.sums + step.sums, worker.scratch);
}

void CpuProgram::execute(const AdaptivePool& step, const Sample&, const Worker& worker) const {
  const auto [begin, end] = share(step.x_layout.channels, worker);
  cpu::adaptive_average_pool_planes(step.x_layout, planes_of(step.x, worker), step.y_layout, begin, end,
                                    planes_of(step.y, worker));
}

void CpuProgram::execute(const Place& step, const Sample&, const Worker& worker) const {
  const auto [begin, end] = share(step.x_layout.channels, worker);
  const PlaneLayout &from = step.x_layout, &to = step.y_layout;
  for (std::int64_t c = begin; c < end; ++c)
    step.resize.resize(planes_of(step.x, worker) + c * from.plane() + from.offset(0, 0), from.row(),
                       planes_of(step.y, worker) + (step.first + c) * to.plane() + to.offset(0, 0), to.row(),
                       worker.scratch);
}

void CpuProgram::execute(const ScorePixels& step, const Sample& sample, const Worker& worker) const {
  const auto [begin, end] = share(step.layout.channels, worker);
  for (std::int64_t c = begin; c < end; ++c)
    step.resize.resize(planes_of(step.x, worker) + c * step.layout.plane() + step.layout.offset(0, 0),
                       step.layout.row(), sample.logits + c * step.resize.out_height() * step.resize.out_width(),
                       step.resize.out_width(), worker.scratch);
}

// Every worker decides for itself: that takes less time than to wait for one that does.
void CpuProgram::execute(const Decide& step, const Sample& sample, const Worker& worker) const {
  float* const mean = worker.scratch;
  float* const hidden = mean + step.mean.channels;
  float* const logits = hidden + step.hidden.outputs;
  cpu::mean_of_planes(worker.sums + step.mean.sums, step.mean.channels, step.mean.factor, mean);
  product(step.hidden, mean, true, hidden);
  product(step.output, hidden, false, logits);
  const std::int64_t first = first_gate_[static_cast<std::size_t>(step.gate)];
  const std::int64_t count = cpu::list_open(logits, step.output.outputs, worker.open + first, worker.masks + first);
  worker.open_count[step.gate] = count;
  if (worker.part != 0) return;
  if (sample.open != nullptr) sample.open[step.gate] = static_cast<std::int32_t>(count);
  if (sample.gates != nullptr)
    for (std::int64_t i = 0; i < step.output.outputs; ++i)
      sample.gates[first + i] = worker.masks[first + i] != 0 ? 1 : 0;
}

void CpuProgram::execute(const Classify& step, const Sample& sample, const Worker& worker) const {
  if (worker.part != 0) return;
  cpu::mean_of_planes(worker.sums + step.mean.sums, step.mean.channels, step.mean.factor, worker.scratch);
  product(step.product, worker.scratch, false, sample.logits);
}

}  // namespace bsg::inference
