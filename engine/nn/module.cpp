#include "engine/nn/module.hpp"

#include "engine/ops/cast.hpp"

namespace bsg::nn {

Var Pass::activations(const Var& input) const {
  return context.precision() == Precision::bf16 ? ops::cast(context, input, DType::bf16) : input;
}

std::vector<Parameter*> Module::parameters() {
  std::vector<Parameter*> all;
  for (auto& [name, parameter] : parameters_) all.push_back(parameter.get());
  for (auto& [name, child] : children_)
    for (Parameter* parameter : child->parameters()) all.push_back(parameter);
  return all;
}

std::vector<std::pair<std::string, Tensor*>> Module::state() {
  std::vector<std::pair<std::string, Tensor*>> all;
  collect("", all);
  return all;
}

void Module::collect(const std::string& prefix, std::vector<std::pair<std::string, Tensor*>>& into) {
  for (auto& [name, parameter] : parameters_) into.emplace_back(prefix + name, &parameter->value);
  for (auto& [name, buffer] : buffers_) into.emplace_back(prefix + name, buffer.get());
  for (auto& [name, child] : children_) child->collect(prefix + name + ".", into);
}

void Module::move(Context& context) {
  for (auto& [name, tensor] : state()) *tensor = tensor->to(context);
  for (Parameter* parameter : parameters()) parameter->grad = {};
}

void Module::convert(Context& context, DType dtype) {
  for (auto& [name, tensor] : state()) *tensor = tensor->cast(context, dtype);
  for (Parameter* parameter : parameters()) parameter->grad = {};
}

Parameter& Module::add_parameter(const std::string& name, Tensor value) {
  auto parameter = std::make_unique<Parameter>();
  parameter->name = name;
  parameter->value = std::move(value);
  parameters_.emplace_back(name, std::move(parameter));
  return *parameters_.back().second;
}

Tensor& Module::add_buffer(const std::string& name, Tensor value) {
  buffers_.emplace_back(name, std::make_unique<Tensor>(std::move(value)));
  return *buffers_.back().second;
}

void Module::name_tree(const std::string& prefix) {
  for (auto& [name, parameter] : parameters_) parameter->name = prefix + name;
  for (auto& [name, child] : children_) child->name_tree(prefix + name + ".");
}

}  // namespace bsg::nn
