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

double scalar(const Var& value) { return value.value.item(); }

}  // namespace

Schedules::Schedules(const Recipe& recipe)
    : learning_rate_{optim::parse_schedule_kind(recipe.schedule.kind),
                     recipe.optimizer.lr,
                     recipe.schedule.milestones,
                     recipe.schedule.factor,
                     recipe.schedule.warmup_epochs,
                     static_cast<double>(recipe.train.epochs)},
      shaping_(recipe.batch_shaping),
      l0_(recipe.l0) {}

ScheduledValues Schedules::at(double epoch) const {
  return {learning_rate_.at(epoch),
          optim::falling_weight(shaping_.gamma, shaping_.start_epoch, shaping_.end_epoch, epoch),
          optim::rising_weight(l0_.rho, l0_.start_epoch, l0_.end_epoch, epoch)};
}

TrainingLoss::TrainingLoss(const Recipe& recipe)
    : cross_entropy_{.label_smoothing = recipe.train.label_smoothing},
      shaping_{.a = recipe.batch_shaping.a,
               .b = recipe.batch_shaping.b,
               .normalization = parse_normalization(recipe.batch_shaping.normalization)} {}

Var TrainingLoss::operator()(Context& context, const Var& logits, const Tensor& labels,
                             const std::vector<nn::GateTrace>& traces, const ScheduledValues& weights,
                             LossTerms& terms) const {
  std::vector<Var> parts = {ops::softmax_cross_entropy(context, logits, labels, cross_entropy_)};
  std::vector<double> factors = {1};
  terms = {.task = scalar(parts[0])};
  if (weights.gamma != 0)
    for (const nn::GateTrace& trace : traces) {
      parts.push_back(ops::batch_shaping_loss_from_logits(context, trace.logits, shaping_));
      factors.push_back(weights.gamma);
      terms.batch_shaping = terms.batch_shaping.value_or(0) + scalar(parts.back());
    }
  if (weights.rho != 0) {
    std::int64_t gates = 0;
    for (const nn::GateTrace& trace : traces) gates += trace.logits.shape()[1];
    for (const nn::GateTrace& trace : traces) {
      // Every gate of the network weighs the same, however the layers differ in width.
      const double share = static_cast<double>(trace.logits.shape()[1]) / static_cast<double>(gates);
      parts.push_back(ops::l0_loss(context, trace.logits));
      factors.push_back(weights.rho * share);
      terms.l0 = terms.l0.value_or(0) + share * scalar(parts.back());
    }
  }
  return ops::weighted_sum(context, parts, factors);
}

}  // namespace bsg::train
