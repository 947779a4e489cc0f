#include "tools/bsg_eval/evaluate.hpp"

#include <algorithm>
#include <memory>
#include <vector>

#include <fmt/ranges.h>

#include "data/loader.hpp"
#include "engine/core/error.hpp"
#include "tools/bsg_eval/evaluate_pixels.hpp"

namespace bsg::tools {
namespace {

using inference::Execution;
using inference::Output;

void check_classes(const Subject& subject, const data::Dataset& dataset) {
  const bool pixels = subject.network->task() == nn::Task::segmentation;
  if (pixels != dataset.labels_pixels())
    throw_error<DataError>("{}: {} tells classes of {}, the data has classes of {}", subject.file, subject.arch,
                           pixels ? "pixels" : "images", pixels ? "images" : "pixels");
  const std::vector<std::string>& classes = dataset.classes();
  if (classes.size() != subject.class_count)
    throw_error<DataError>("{}: tells {} classes apart, the data has {}: {}", subject.file, subject.class_count,
                           classes.size(), fmt::join(classes, ", "));
  if (!subject.classes.empty() && subject.classes != classes)
    throw_error<DataError>("{}: was trained on the classes {}, the data has {}", subject.file,
                           fmt::join(subject.classes, ", "), fmt::join(classes, ", "));
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
  if (dataset->labels_pixels()) return evaluate_pixels(context, subject, *dataset, options, progress);
  const nn::MacModel& macs = subject.network->macs();
  Context host({.threads = context.threads()});
  inference::Plan plan(context, *subject.network, options.precision);
  ExecutionRun dense(host, macs, Execution::dense), gated(host, macs, Execution::gated);
  data::Loader loader(host, std::move(dataset), std::make_shared<data::ImageTransform>(subject.transform),
                      {.batch = options.batch});
  const std::int64_t images = loader.examples();

  Report report;
  std::optional<Rows> logits, labels, gates;
  const auto keep = [&](std::optional<Rows>& rows, const Tensor& more) {
    if (!rows) rows.emplace(host, images, more);
    rows->append(more);
  };
  const auto take = [&](ExecutionRun& run, const data::Batch& batch, const Tensor& there) {
    double seconds = 0;
    Output output = run.run(plan, there, run.metrics().images() == 0, seconds);
    const std::int64_t count = batch.images.shape()[0];
    run.add_time(seconds, count, count == options.batch);
    run.metrics().add(output, batch.labels, batch.difficulty);
    return output;
  };
  data::Batch batch;
  loader.start(0);
  for (std::int64_t done = 0, turn = 0; loader.next(batch); ++turn) {
    const Tensor there = brought_to(context, batch.images);
    Output from_dense, from_gated;
    for (const bool first : {true, false}) {
      const bool dense_now = first == (turn % 2 == 0);
      if (dense_now && options.dense) from_dense = take(dense, batch, there);
      if (!dense_now && options.gated) from_gated = take(gated, batch, there);
    }
    if (options.dense && options.gated)
      keep_largest(report.max_abs_difference, largest_difference(from_dense.logits, from_gated.logits));
    if (options.keep_outputs) {
      const Output& output = options.gated ? from_gated : from_dense;
      keep(logits, output.logits);
      keep(labels, batch.labels);
      if (macs.gates() > 0) keep(gates, output.gates);
    }
    const auto these = batch.labels.span<std::int64_t>();
    report.labels.insert(report.labels.end(), these.begin(), these.end());
    done += batch.labels.numel();
    progress(done, images);
  }
  if (options.dense) report.dense = dense.report();
  if (options.gated) report.gated = gated.report();
  const inference::EvaluationMetrics& metrics = (options.gated ? gated : dense).metrics();
  report.evaluation = metrics.result();
  for (std::int64_t index = 0; index < images; ++index) report.images.push_back(metrics.image(index));
  if (options.keep_outputs) {
    report.outputs = {{"logits", logits->all()}, {"labels", labels->all().reshaped({images})}};
    if (gates) report.outputs.emplace_back("gates", gates->all());
  }
  return report;
}

}  // namespace bsg::tools
