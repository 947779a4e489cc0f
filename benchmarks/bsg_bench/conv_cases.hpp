// What the suite gated_conv goes through, on any device: layers, what of them is gated, batches, gates.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "benchmarks/bsg_bench/bench.hpp"
#include "benchmarks/bsg_bench/conv_layers.hpp"
#include "benchmarks/bsg_bench/gate_patterns.hpp"

namespace bsg::bench {

struct ConvGates {
  std::string name;
  Gates inputs, outputs;
};

struct ConvCase {
  ConvLayer layer;
  bool gated_inputs = false, gated_outputs = false;  // one of them at least
  Group group;
  std::vector<ConvGates> gates;
  Generator random{0};  // of its values

  bool with_residual() const { return !gated_outputs && layer.stride == 1; }  // as a block's last convolution
  const Gates* inputs(const ConvGates& of) const { return gated_inputs ? &of.inputs : nullptr; }
  const Gates* outputs(const ConvGates& of) const { return gated_outputs ? &of.outputs : nullptr; }
};

// Calls run for every case that the filter lets through: all sides of all layers, with gates drawn; or, where the
// command line names a checkpoint, its network's gated convolutions, with the gates that its images have.
void each_conv_case(Bench& bench, const std::vector<ConvLayer>& layers, const std::vector<std::int64_t>& batches,
                    const std::function<void(const ConvCase&)>& run);

}  // namespace bsg::bench
