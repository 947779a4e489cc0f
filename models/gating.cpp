#include "models/gating.hpp"

#include "engine/ops/binary_concrete_gate.hpp"
#include "engine/ops/global_average_pool.hpp"

namespace bsg::models {

GatingModule::GatingModule(Context& context, Generator& random, int in_channels, int gates, const GateConfig& config)
    : fc1(add_module("fc1", std::make_unique<nn::Linear>(context, random, in_channels, config.hidden, false))),
      bn(add_module("bn", std::make_unique<nn::BatchNorm>(context, config.hidden))),
      fc2(add_module("fc2", std::make_unique<nn::Linear>(context, random, config.hidden, gates, true))),
      config_(config) {
  for (float& bias : fc2.bias->value.span<float>()) bias += static_cast<float>(config.bias);
  for (Parameter* parameter : parameters()) parameter->gating = true;
}

nn::GateTrace GatingModule::forward(const nn::Pass& pass, const Var& x) const {
  const Var pooled = ops::global_average_pool(pass.context, x);
  const Var hidden = bn.forward(pass, fc1.forward(pass, pooled), true);
  const Var logits = fc2.forward(pass, hidden);
  const ops::BinaryConcreteOptions options{
      .temperature = config_.temperature, .training = pass.training, .noise = config_.noise};
  return {logits, ops::binary_concrete_gate(pass.context, logits, options)};
}

inference::Gate GatingModule::lower(inference::Graph& graph, inference::Value x) const {
  return graph.gate(x, fc1, bn, fc2);
}

std::int64_t GatingModule::macs() const { return fc1.weight.value.numel() + fc2.weight.value.numel(); }

}  // namespace bsg::models
