#include "engine/train/step_report.hpp"

namespace bsg::train {

void StepReport::fetch(std::int64_t step, const Tensor& logits, const Tensor& labels,
                       const std::vector<nn::GateTrace>& traces, const LossParts& loss,
                       const ScheduledValues& scheduled) {
  step_ = step;
  classes_ = logits.shape()[1];
  labels_ = labels;
  layers_ = traces.size();
  has_shaping_ = loss.batch_shaping.defined();
  has_l0_ = loss.l0.defined();
  scheduled_ = scheduled;
  values_.clear();
  values_.fetch(logits);
  values_.fetch(loss.total.value);
  values_.fetch(loss.task);
  if (has_shaping_) values_.fetch(loss.batch_shaping);
  if (has_l0_) values_.fetch(loss.l0);
  for (const nn::GateTrace& trace : traces) values_.fetch(trace.gate.value);
  pending_ = true;
}

StepResult StepReport::settle() {
  values_.wait();
  pending_ = false;
  std::size_t place = 0;
  const auto next = [&] { return values_.values(place++); };
  StepResult result;
  result.classes = classes_;
  result.labels = std::as_const(labels_).span<std::int64_t>();
  result.logits = next();
  result.loss = next()[0];
  result.task = next()[0];
  if (has_shaping_) result.batch_shaping = next()[0];
  if (has_l0_) result.l0 = next()[0];
  for (std::size_t layer = 0; layer < layers_; ++layer) result.gates.push_back(next());
  return result;
}

}  // namespace bsg::train
