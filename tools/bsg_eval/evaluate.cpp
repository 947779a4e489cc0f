#include "tools/bsg_eval/evaluate.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <vector>

#include <fmt/ranges.h>

#include "data/loader.hpp"
#include "engine/core/error.hpp"
#include "kernels/backend/backend.hpp"

namespace bsg::tools {
namespace {

using inference::Execution;
using inference::Output;

void check_classes(const Subject& subject, const data::Dataset& dataset) {
  const std::vector<std::string>& classes = dataset.classes();
  if (classes.size() != subject.class_count)
    throw_error<DataError>("{}: tells {} classes apart, the data has {}: {}", subject.file, subject.class_count,
                           classes.size(), fmt::join(classes, ", "));
  if (!subject.classes.empty() && subject.classes != classes)
    throw_error<DataError>("{}: was trained on the classes {}, the data has {}", subject.file,
                           fmt::join(subject.classes, ", "), fmt::join(classes, ", "));
}

// images on context's device, when they are there.
Tensor brought_to(Context& context, const Tensor& images) {
  Tensor there = images.to(context);
  if (!context.on_cpu()) context.backend().runtime.synchronize(context.launch().stream);
  return there;
}

// One execution's results and times.
class Run {
 public:
  Run(inference::Plan& plan, Context& host, const nn::MacModel& macs, Execution execution)
      : plan_(plan), host_(host), execution_(execution), metrics_(macs) {}

  // images_there: the batch's, on the plan's device.
  Output take(const data::Batch& batch, const Tensor& images_there, std::int64_t whole_batch, bool gates) {
    const inference::RunOptions options{.execution = execution_, .gates = gates};
    // A device records the second run of a batch's size.
    const int untimed = images_there.device() == Device::cpu ? 1 : 2;
    if (metrics_.images() == 0)
      for (int run = 0; run < untimed; ++run) plan_.run(images_there, options).to(host_);
    const auto start = std::chrono::steady_clock::now();
    Output output = plan_.run(images_there, options).to(host_);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const std::int64_t images = batch.images.shape()[0];
    if (images == whole_batch || seconds_.empty()) {
      seconds_.push_back(seconds);
      timed_images_ = images;
    }
    metrics_.add(output, batch.labels, batch.difficulty);
    return output;
  }

  inference::Evaluation evaluation() const { return metrics_.result(); }
  ExecutionReport report() const {
    std::vector<double> seconds = seconds_;
    std::nth_element(seconds.begin(), seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2), seconds.end());
    return {static_cast<double>(timed_images_) / seconds[seconds.size() / 2], metrics_.result().top1};
  }

 private:
  inference::Plan& plan_;
  Context& host_;
  Execution execution_;
  inference::EvaluationMetrics metrics_;
  std::vector<double> seconds_;
  std::int64_t timed_images_ = 0;
};

// NaN wins: it must not pass for agreement.
double largest_difference(const Tensor& a, const Tensor& b) {
  double largest = 0;
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    const double difference = std::abs(static_cast<double>(a.data<float>()[i]) - b.data<float>()[i]);
    if (!(difference <= largest)) largest = difference;
    if (std::isnan(largest)) break;
  }
  return largest;
}

// Rows of all batches, one after the other.
class Rows {
 public:
  Rows(Context& context, std::int64_t rows, const Tensor& first)
      : all_(Tensor::empty(context, {rows, first.numel() / first.shape()[0]}, first.dtype())) {}
  void append(const Tensor& rows) {
    std::copy_n(static_cast<const std::byte*>(rows.raw()), rows.bytes(), static_cast<std::byte*>(all_.raw()) + filled_);
    filled_ += rows.bytes();
  }
  const Tensor& all() const { return all_; }

 private:
  Tensor all_;
  std::size_t filled_ = 0;
};

}  // namespace

Report evaluate(Context& context, const Subject& subject, std::shared_ptr<const data::Dataset> dataset,
                const EvaluateOptions& options, const std::function<void(std::int64_t, std::int64_t)>& progress) {
  check_classes(subject, *dataset);
  const nn::MacModel& macs = subject.network->macs();
  Context host({.threads = context.threads()});
  inference::Plan plan(context, *subject.network, options.precision);
  Run dense(plan, host, macs, Execution::dense), gated(plan, host, macs, Execution::gated);
  data::Loader loader(host, std::move(dataset), std::make_shared<data::ImageTransform>(subject.transform),
                      {.batch = options.batch});
  const std::int64_t images = loader.examples();

  Report report;
  std::optional<Rows> logits, labels, gates;
  const auto keep = [&](std::optional<Rows>& rows, const Tensor& more) {
    if (!rows) rows.emplace(host, images, more);
    rows->append(more);
  };
  data::Batch batch;
  loader.start(0);
  for (std::int64_t done = 0, turn = 0; loader.next(batch); ++turn) {
    const Tensor there = brought_to(context, batch.images);
    Output from_dense, from_gated;
    for (const bool first : {true, false}) {
      const bool dense_now = first == (turn % 2 == 0);
      if (dense_now && options.dense) from_dense = dense.take(batch, there, options.batch, true);
      if (!dense_now && options.gated) from_gated = gated.take(batch, there, options.batch, true);
    }
    if (options.dense && options.gated) {
      const double difference = largest_difference(from_dense.logits, from_gated.logits);
      double& largest = report.max_abs_difference ? *report.max_abs_difference : report.max_abs_difference.emplace(0);
      if (!(difference <= largest)) largest = difference;
    }
    if (options.keep_outputs) {
      const Output& output = options.gated ? from_gated : from_dense;
      keep(logits, output.logits);
      keep(labels, batch.labels);
      if (macs.gates() > 0) keep(gates, output.gates);
    }
    done += batch.labels.numel();
    progress(done, images);
  }
  if (options.dense) report.dense = dense.report();
  if (options.gated) report.gated = gated.report();
  report.evaluation = options.gated ? gated.evaluation() : dense.evaluation();
  if (options.keep_outputs) {
    report.outputs = {{"logits", logits->all()}, {"labels", labels->all().reshaped({images})}};
    if (gates) report.outputs.emplace_back("gates", gates->all());
  }
  return report;
}

}  // namespace bsg::tools
