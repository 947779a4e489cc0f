#include "tools/bsg_eval/execution_run.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "kernels/backend/backend.hpp"

namespace bsg::tools {

Tensor brought_to(Context& context, const Tensor& images) {
  Tensor there = images.to(context);
  if (!context.on_cpu()) context.backend().runtime.synchronize(context.launch().stream);
  return there;
}

ExecutionRun::ExecutionRun(Context& host, const nn::MacModel& macs, inference::Execution execution)
    : host_(host), execution_(execution), metrics_(macs, host.threads()) {}

inference::Output ExecutionRun::run(inference::Plan& plan, const Tensor& images_there, bool fresh, double& seconds) {
  const inference::RunOptions options{.execution = execution_, .gates = true};
  // A device records the second run of a batch's size.
  const int untimed = images_there.device() == Device::cpu ? 1 : 2;
  if (fresh)
    for (int run = 0; run < untimed; ++run) plan.run(images_there, options).to(host_);
  const auto start = std::chrono::steady_clock::now();
  inference::Output output = plan.run(images_there, options).to(host_);
  seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return output;
}

void ExecutionRun::add_time(double seconds, std::int64_t images, bool whole) {
  if (!whole && !seconds_.empty()) return;
  seconds_.push_back(seconds);
  timed_images_ = images;
}

ExecutionReport ExecutionRun::report() const {
  std::vector<double> seconds = seconds_;
  std::nth_element(seconds.begin(), seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2), seconds.end());
  const inference::Evaluation evaluation = metrics_.result();
  ExecutionReport report{.images_per_second = static_cast<double>(timed_images_) / seconds[seconds.size() / 2]};
  if (evaluation.segmentation) {
    report.mean_iou = evaluation.segmentation->mean_iou;
  } else {
    report.top1 = evaluation.top1;
  }
  return report;
}

double largest_difference(const Tensor& a, const Tensor& b) {
  double largest = 0;
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    const double difference = std::abs(static_cast<double>(a.data<float>()[i]) - b.data<float>()[i]);
    if (!(difference <= largest)) largest = difference;
    if (std::isnan(largest)) break;
  }
  return largest;
}

void keep_largest(std::optional<double>& largest, double difference) {
  if (!largest || !(difference <= *largest)) largest = difference;
}

}  // namespace bsg::tools
