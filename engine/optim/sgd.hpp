// Stochastic gradient descent with momentum, as PyTorch defines it (dampening 0).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "engine/autograd/tape.hpp"

namespace bsg::optim {

struct ParameterGroup {
  std::vector<Parameter*> parameters;
  double weight_decay = 0;
  double learning_rate_scale = 1;
};

struct SgdOptions {
  double momentum = 0.9;
  bool nesterov = true;
};

// g = grad + weight_decay * value; v = momentum * v + g; value -= rate * (nesterov ? g + momentum * v : v). f32
// parameters, each in one group. A parameter without a gradient is left alone. Parameters outlive the optimizer.
class Sgd {
 public:
  Sgd(Context& context, std::vector<ParameterGroup> groups, SgdOptions options);

  void step(double learning_rate);
  // Forgets all gradients.
  void zero_grad();
  // The velocities by their parameter's name: what a checkpoint needs besides the parameters.
  std::vector<std::pair<std::string, Tensor*>> state();

 private:
  Context& context_;
  std::vector<ParameterGroup> groups_;
  SgdOptions options_;
  std::vector<Tensor> velocities_;  // in the order of the groups' parameters
};

// Backbone parameters with weight_decay, gating parameters (Parameter::gating) with their own decay and learning-rate
// scale.
std::vector<ParameterGroup> split_gating(const std::vector<Parameter*>& parameters, double weight_decay,
                                         double gate_weight_decay, double gate_learning_rate_scale);

}  // namespace bsg::optim
