// The loss that a recipe asks for: task + gamma * batch-shaping + rho * L0 (paper, section 3), each weight at its place
// in its schedule.
#pragma once

#include <vector>

#include "engine/nn/network.hpp"
#include "engine/ops/batch_shaping_loss.hpp"
#include "engine/ops/softmax_cross_entropy.hpp"
#include "engine/optim/schedule.hpp"
#include "engine/train/recipe.hpp"

namespace bsg::train {

// Learning rate and loss weights at one moment of a run.
struct ScheduledValues {
  double learning_rate = 0;
  double gamma = 0;  // of the batch-shaping loss
  double rho = 0;    // of the L0 loss
};

// A recipe's schedules as functions of the progress in epochs.
class Schedules {
 public:
  explicit Schedules(const Recipe& recipe);
  ScheduledValues at(double epoch) const;

 private:
  optim::LearningRateSchedule learning_rate_;
  Recipe::BatchShaping shaping_;
  Recipe::L0 l0_;
};

// A loss of one batch, where it was computed: tensors of one element. The terms are without their weights.
// Batch-shaping is the sum over the gated layers, L0 the mean probability over all gates of the network; each is
// undefined when the network has no gates or its weight is 0. The auxiliary head's is undefined without such a head.
struct LossParts {
  Var total;
  Tensor task, auxiliary, batch_shaping, l0;
};

class TrainingLoss {
 public:
  // class_weights f32 [classes], or undefined: every class counts alike.
  explicit TrainingLoss(const Recipe& recipe, Tensor class_weights = {});

  LossParts operator()(Context& context, const nn::Scores& scores, const Tensor& labels,
                       const std::vector<nn::GateTrace>& traces, const ScheduledValues& weights) const;

 private:
  ops::CrossEntropyOptions cross_entropy_;
  double auxiliary_weight_;
  ops::BatchShapingOptions shaping_;
};

}  // namespace bsg::train
