#include "engine/optim/sgd.hpp"

#include "engine/core/error.hpp"
#include "kernels/backend/backend.hpp"

namespace bsg::optim {
namespace {

void step_on_cpu(const kernels::device::SgdStep& step, const kernels::device::SgdTensor& tensor) {
  const auto rate = static_cast<float>(step.learning_rate), decay = static_cast<float>(step.weight_decay),
             momentum = static_cast<float>(step.momentum);
  float *value = tensor.value, *v = tensor.velocity;
  for (std::int64_t i = 0; i < tensor.count; ++i) {
    const float g = tensor.gradient[i] + decay * value[i];
    v[i] = momentum * v[i] + g;
    value[i] -= rate * (step.nesterov ? g + momentum * v[i] : v[i]);
  }
}

}  // namespace

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
  auto velocity = velocities_.begin();
  for (const ParameterGroup& group : groups_) {
    const kernels::device::SgdStep update{.learning_rate = learning_rate * group.learning_rate_scale,
                                          .weight_decay = group.weight_decay,
                                          .momentum = options_.momentum,
                                          .nesterov = options_.nesterov};
    std::vector<kernels::device::SgdTensor> tensors;
    for (Parameter* parameter : group.parameters) {
      Tensor& v = *velocity++;
      if (!parameter->grad.defined()) continue;
      tensors.push_back(
          {parameter->grad.data<float>(), parameter->value.data<float>(), v.data<float>(), parameter->value.numel()});
      parameter->value.bump_version();
      v.bump_version();
    }
    if (context_.on_cpu()) {
      for (const kernels::device::SgdTensor& tensor : tensors) step_on_cpu(update, tensor);
    } else {
      context_.backend().sgd_step(context_.launch(), update, tensors);
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
