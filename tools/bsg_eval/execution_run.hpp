// One execution of a network over a data set: its results, and its times.
#pragma once

#include <optional>
#include <vector>

#include "engine/inference/evaluation_metrics.hpp"
#include "engine/inference/plan.hpp"

namespace bsg::tools {

// images_per_second is batch / median time of the network alone over all whole batches (over the last one, when there
// is no other), after runs of the first batch that are not timed; where pixels have classes, an image is a batch.
// Images are loaded, and brought to the device, outside of the time; results are on the host when it ends. The
// executions take turns batch by batch, each first every second time.
struct ExecutionReport {
  double images_per_second = 0;
  std::optional<double> top1;      // percent
  std::optional<double> mean_iou;  // of segmentation
};

// images on context's device, when they are there.
Tensor brought_to(Context& context, const Tensor& images);

class ExecutionRun {
 public:
  // All outlive the run.
  ExecutionRun(Context& host, const nn::MacModel& macs, inference::Execution execution);

  // images_there: on the plan's device. fresh: a plan's first images of this number, which it runs before without being
  // timed. seconds: the run's time is added. Results are on the host.
  inference::Output run(inference::Plan& plan, const Tensor& images_there, bool fresh, double& seconds);
  // A whole batch's time; the last of a smaller one counts where there is no other.
  void add_time(double seconds, std::int64_t images, bool whole);

  inference::EvaluationMetrics& metrics() { return metrics_; }
  const inference::EvaluationMetrics& metrics() const { return metrics_; }
  ExecutionReport report() const;

 private:
  Context& host_;
  inference::Execution execution_;
  inference::EvaluationMetrics metrics_;
  std::vector<double> seconds_;
  std::int64_t timed_images_ = 0;
};

// Between the logits of two executions; NaN where there is one: it must not pass for agreement.
double largest_difference(const Tensor& a, const Tensor& b);
// Keeps the larger one, and NaN.
void keep_largest(std::optional<double>& largest, double difference);

}  // namespace bsg::tools
