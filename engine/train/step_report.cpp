#include "engine/train/step_report.hpp"

#include "engine/ops/argmax_channels.hpp"

namespace bsg::train {

void StepReport::fetch(std::int64_t step, const Tensor& logits, const Tensor& labels,
                       const std::vector<nn::GateTrace>& traces, const LossParts& loss,
                       const ScheduledValues& scheduled) {
  step_ = step;
  labels_ = labels;
  layers_ = traces.size();
  has_auxiliary_ = loss.auxiliary.defined();
  has_shaping_ = loss.batch_shaping.defined();
  has_l0_ = loss.l0.defined();
  scheduled_ = scheduled;
  values_.clear();
  // One number for each pixel on its way to the host, where the logits are one for each class of each pixel.
  values_.fetch(ops::argmax_channels(context_, logits));
  values_.fetch(loss.total.value);
  values_.fetch(loss.task);
  if (has_auxiliary_) values_.fetch(loss.auxiliary);
  if (has_shaping_) values_.fetch(loss.batch_shaping);
  if (has_l0_) values_.fetch(loss.l0);
  for (const nn::GateTrace& trace : traces) values_.fetch(trace.gate.value);
  pending_ = true;
}

StepResult StepReport::settle() {
  values_.wait();
  pending_ = false;
  std::size_t place = 0;
  const auto next = [&] { return values_.values<float>(place++); };
  StepResult result;
  result.images = labels_.shape()[0];
  result.labels = std::as_const(labels_).span<std::int64_t>();
  result.predicted = values_.values<std::int32_t>(place++);
  result.loss = next()[0];
  result.task = next()[0];
  if (has_auxiliary_) result.auxiliary = next()[0];
  if (has_shaping_) result.batch_shaping = next()[0];
  if (has_l0_) result.l0 = next()[0];
  for (std::size_t layer = 0; layer < layers_; ++layer) result.gates.push_back(next());
  return result;
}

}  // namespace bsg::train
