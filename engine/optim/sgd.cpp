#include "engine/optim/sgd.hpp"

#include "engine/core/error.hpp"
#include "kernels/backend/backend.hpp"

namespace bsg::optim {

Sgd::Sgd(Context& context, std::vector<ParameterGroup> groups, SgdOptions options)
    : context_(context), groups_(std::move(groups)), options_(options) {
  for (const ParameterGroup& group : groups_)
    for (const Parameter* parameter : group.parameters) {
      if (parameter->value.dtype() != DType::f32)
        throw_error<ShapeError>("sgd: parameter {} is {}, f32 is needed", parameter->name,
                                to_string(parameter->value.dtype()));
      velocities_.push_back(Tensor::zeros(context_, parameter->value.shape()));
    }
}

void Sgd::step(double learning_rate) {
  std::size_t index = 0;
  for (const ParameterGroup& group : groups_) {
    const auto rate = static_cast<float>(learning_rate * group.learning_rate_scale);
    const auto decay = static_cast<float>(group.weight_decay), momentum = static_cast<float>(options_.momentum);
    for (Parameter* parameter : group.parameters) {
      Tensor& velocity = velocities_[index++];
      if (!parameter->grad.defined()) continue;
      if (!context_.on_cpu()) {
        const kernels::device::SgdStep update{.learning_rate = learning_rate * group.learning_rate_scale,
                                              .weight_decay = group.weight_decay,
                                              .momentum = options_.momentum,
                                              .nesterov = options_.nesterov};
        context_.backend().sgd_step(context_.launch(), parameter->value.numel(), update, parameter->grad.data<float>(),
                                    parameter->value.data<float>(), velocity.data<float>(), nullptr);
        parameter->value.bump_version();
        velocity.bump_version();
        continue;
      }
      float* value = parameter->value.data<float>();
      float* v = velocity.data<float>();
      const float* gradient = parameter->grad.data<float>();
      for (std::int64_t i = 0; i < parameter->value.numel(); ++i) {
        const float g = gradient[i] + decay * value[i];
        v[i] = momentum * v[i] + g;
        value[i] -= rate * (options_.nesterov ? g + momentum * v[i] : v[i]);
      }
      parameter->value.bump_version();
      velocity.bump_version();
    }
  }
}

void Sgd::zero_grad() {
  for (const ParameterGroup& group : groups_)
    for (Parameter* parameter : group.parameters) parameter->grad = {};
}

std::vector<std::pair<std::string, Tensor*>> Sgd::state() {
  std::vector<std::pair<std::string, Tensor*>> all;
  std::size_t index = 0;
  for (const ParameterGroup& group : groups_)
    for (const Parameter* parameter : group.parameters) all.emplace_back(parameter->name, &velocities_[index++]);
  return all;
}

std::vector<ParameterGroup> split_gating(const std::vector<Parameter*>& parameters, double weight_decay,
                                         double gate_weight_decay, double gate_learning_rate_scale) {
  ParameterGroup backbone{{}, weight_decay, 1}, gating{{}, gate_weight_decay, gate_learning_rate_scale};
  for (Parameter* parameter : parameters) (parameter->gating ? gating : backbone).parameters.push_back(parameter);
  return {std::move(backbone), std::move(gating)};
}

}  // namespace bsg::optim
