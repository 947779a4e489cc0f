#include "benchmarks/bsg_bench/conv_cases.hpp"

#include <optional>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "benchmarks/bsg_bench/recorded.hpp"
#include "engine/inference/graph.hpp"
#include "engine/inference/plan.hpp"

namespace bsg::bench {
namespace {

Group group_of(const ConvLayer& layer, const std::string& name, bool inputs, bool outputs, std::int64_t batch) {
  const char* const side = inputs && outputs ? "both" : inputs ? "in" : "out";
  return {
      "gated_conv", fmt::format("{}, {}, batch {}", name, side, batch), batch,
      static_cast<double>(batch) * layer.macs(static_cast<double>(layer.inputs), static_cast<double>(layer.outputs))};
}

void each_drawn_case(Bench& bench, const std::vector<ConvLayer>& layers, const std::vector<std::int64_t>& batches,
                     const std::function<void(const ConvCase&)>& run) {
  for (const ConvLayer& layer : layers)
    for (const auto& [inputs, outputs] : {std::pair(false, true), std::pair(true, false), std::pair(true, true)})
      for (const std::int64_t batch : batches) {
        ConvCase c{layer, inputs, outputs, group_of(layer, layer.name(), inputs, outputs, batch)};
        if (!bench.wants(c.group, layer.networks)) continue;
        c.random = bench.random(c.group.name);
        Generator draws = c.random.fork(1);
        for (const GateChoice& choice : gate_choices(bench.options().densities, bench.options().worst_cases))
          c.gates.push_back({choice.name(), draw_gates(choice, batch, layer.inputs, draws),
                             draw_gates(choice, batch, layer.outputs, draws)});
        run(c);
      }
}

// What each gating module of a network decided for a batch.
std::vector<Gates> decisions(Context& host, const Recorded& recorded, std::int64_t batch,
                             const std::vector<std::int64_t>& channels) {
  inference::Plan plan(host, recorded.network());
  const std::vector<std::uint8_t> on = plan.run(recorded.images(batch), {.gates = true}).gates.values<std::uint8_t>();
  std::vector<Gates> modules;
  for (const std::int64_t count : channels) modules.push_back({count, {}});
  std::size_t next = 0;
  for (std::int64_t n = 0; n < batch; ++n)
    for (Gates& module : modules) {
      std::vector<std::int32_t>& open = module.open.emplace_back();
      for (std::int64_t c = 0; c < module.channels; ++c)
        if (on[next++] != 0) open.push_back(static_cast<std::int32_t>(c));
    }
  return modules;
}

void each_recorded_case(Bench& bench, const std::vector<std::int64_t>& batches,
                        const std::function<void(const ConvCase&)>& run) {
  Context host({.threads = bench.context().threads()});
  const Recorded recorded(host, bench.options());
  inference::Graph graph;
  recorded.network().lower(graph);
  const std::vector<nn::GatedLayer>& names = recorded.network().macs().layers;
  for (const std::int64_t batch : batches) {
    const std::vector<Gates> modules = decisions(host, recorded, batch, graph.gates());
    for (const inference::Graph::Node& node : graph.nodes()) {
      const auto* const conv = std::get_if<inference::Graph::Convolution>(&node);
      if (conv == nullptr) continue;
      const std::optional<inference::Gate>&in = conv->options.input_gate, &out = conv->options.output_gate;
      if (!in && !out) continue;
      const inference::Graph::ValueShape &x = graph.shape(conv->x), &y = graph.shape(conv->y);
      const ConvLayer layer{recorded.arch(), conv->kernel_height, x.channels, y.channels, x.height, conv->stride};
      // Every network so far has square ones, padded by half of the window.
      if (conv->kernel_width != layer.kernel || x.width != x.height || conv->padding != layer.padding() ||
          conv->dilation != 1)
        continue;
      const auto module = static_cast<std::size_t>((in ? *in : *out).index);
      const std::string name = fmt::format("{} {}>{} {}x{}{}", names[module].name, layer.inputs, layer.outputs,
                                           layer.size, layer.size, layer.stride == 1 ? "" : " /2");
      ConvCase c{layer, in.has_value(), out.has_value(), group_of(layer, name, in.has_value(), out.has_value(), batch)};
      if (!bench.wants(c.group, layer.networks)) continue;
      c.random = bench.random(c.group.name);
      ConvGates gates{"recorded", {}, {}};
      if (in) gates.inputs = modules[static_cast<std::size_t>(in->index)];
      if (out) gates.outputs = modules[static_cast<std::size_t>(out->index)];
      c.gates.push_back(std::move(gates));
      run(c);
    }
  }
}

}  // namespace

void each_conv_case(Bench& bench, const std::vector<ConvLayer>& layers, const std::vector<std::int64_t>& batches,
                    const std::function<void(const ConvCase&)>& run) {
  if (bench.options().checkpoint.empty()) {
    each_drawn_case(bench, layers, bench.batches(batches), run);
  } else {
    each_recorded_case(bench, bench.batches(batches), run);
  }
}

}  // namespace bsg::bench
