#include "engine/train/losses.hpp"

#include "engine/core/error.hpp"
#include "engine/ops/sigmoid.hpp"
#include "engine/ops/weighted_sum.hpp"

namespace bsg::train {
namespace {

ops::ShapingNormalization parse_normalization(const std::string& name) {
  using enum ops::ShapingNormalization;
  if (name == "batch_mean_gate_sum") return batch_mean_gate_sum;
  if (name == "batch_mean_gate_mean") return batch_mean_gate_mean;
  if (name == "batch_sum_gate_sum") return batch_sum_gate_sum;
  if (name == "batch_sum_gate_mean") return batch_sum_gate_mean;
  throw_error<ConfigError>("batch_shaping.normalization: unknown name '{}'", name);
}

// The sum of losses, for the record alone.
Tensor untracked_sum(Context& context, const std::vector<Var>& losses, const std::vector<double>& factors) {
  std::vector<Var> values;
  for (const Var& loss : losses) values.emplace_back(loss.value);
  return ops::weighted_sum(context, values, factors).value;
}

}  // namespace

Schedules::Schedules(const Recipe& recipe)
    : learning_rate_{optim::parse_schedule_kind(recipe.schedule.kind),
                     recipe.optimizer.lr,
                     recipe.schedule.milestones,
                     recipe.schedule.factor,
                     recipe.schedule.warmup_epochs,
                     static_cast<double>(recipe.train.epochs),
                     recipe.schedule.power},
      shaping_(recipe.batch_shaping),
      l0_(recipe.l0) {}

ScheduledValues Schedules::at(double epoch) const {
  return {learning_rate_.at(epoch),
          optim::falling_weight(shaping_.gamma, shaping_.start_epoch, shaping_.end_epoch, epoch),
          optim::rising_weight(l0_.rho, l0_.start_epoch, l0_.end_epoch, epoch)};
}

TrainingLoss::TrainingLoss(const Recipe& recipe, Tensor class_weights)
    : cross_entropy_{.label_smoothing = recipe.train.label_smoothing, .class_weights = std::move(class_weights)},
      auxiliary_weight_(recipe.train.auxiliary_weight),
      shaping_{.a = recipe.batch_shaping.a,
               .b = recipe.batch_shaping.b,
               .normalization = parse_normalization(recipe.batch_shaping.normalization)} {}

LossParts TrainingLoss::operator()(Context& context, const nn::Scores& scores, const Tensor& labels,
                                   const std::vector<nn::GateTrace>& traces, const ScheduledValues& weights) const {
  LossParts parts;
  std::vector<Var> terms = {ops::softmax_cross_entropy(context, scores.logits, labels, cross_entropy_)};
  std::vector<double> factors = {1};
  parts.task = terms[0].value;
  if (scores.auxiliary.value.defined()) {
    terms.push_back(ops::softmax_cross_entropy(context, scores.auxiliary, labels, cross_entropy_));
    factors.push_back(auxiliary_weight_);
    parts.auxiliary = terms.back().value;
  }
  if (weights.gamma != 0 && !traces.empty()) {
    std::vector<Var> shaping;
    for (const nn::GateTrace& trace : traces) {
      shaping.push_back(ops::batch_shaping_loss_from_logits(context, trace.logits, shaping_));
      terms.push_back(shaping.back());
      factors.push_back(weights.gamma);
    }
    parts.batch_shaping = untracked_sum(context, shaping, std::vector<double>(shaping.size(), 1.0));
  }
  if (weights.rho != 0 && !traces.empty()) {
    std::int64_t gates = 0;
    for (const nn::GateTrace& trace : traces) gates += trace.logits.shape()[1];
    std::vector<Var> probabilities;
    std::vector<double> shares;
    for (const nn::GateTrace& trace : traces) {
      // Every gate of the network weighs the same, however the layers differ in width.
      shares.push_back(static_cast<double>(trace.logits.shape()[1]) / static_cast<double>(gates));
      probabilities.push_back(ops::l0_loss(context, trace.logits));
      terms.push_back(probabilities.back());
      factors.push_back(weights.rho * shares.back());
    }
    parts.l0 = untracked_sum(context, probabilities, shares);
  }
  parts.total = ops::weighted_sum(context, terms, factors);
  return parts;
}

}  // namespace bsg::train
