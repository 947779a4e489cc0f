// What a training step tells of itself, on its way to the host.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/core/readback.hpp"
#include "engine/nn/network.hpp"
#include "engine/train/losses.hpp"
#include "engine/train/metrics.hpp"

namespace bsg::train {

// On a device the report is fetched while the host queues the next step, so that neither waits for the other.
class StepReport {
 public:
  // The context outlives the report.
  explicit StepReport(Context& context) : context_(context), values_(context) {}

  // Begins to fetch what step `step` (from 1) of `steps` computed; labels lie on the host.
  void fetch(std::int64_t step, const Tensor& logits, const Tensor& labels, const std::vector<nn::GateTrace>& traces,
             const LossParts& loss, const ScheduledValues& scheduled);
  // Whether a step was fetched and not yet settled.
  bool pending() const { return pending_; }
  std::int64_t step() const { return step_; }
  const ScheduledValues& scheduled() const { return scheduled_; }
  // Waits for the values; they stay until the next fetch.
  StepResult settle();

 private:
  Context& context_;
  Readback values_;
  bool pending_ = false;
  std::int64_t step_ = 0;
  Tensor labels_;
  std::size_t layers_ = 0;
  bool has_auxiliary_ = false, has_shaping_ = false, has_l0_ = false;
  ScheduledValues scheduled_;
};

}  // namespace bsg::train
