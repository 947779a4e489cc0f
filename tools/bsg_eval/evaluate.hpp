// Runs a network over a data set in one or both executions, and times them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "data/dataset.hpp"
#include "engine/core/safetensors.hpp"
#include "engine/inference/evaluation_metrics.hpp"
#include "tools/bsg_eval/subject.hpp"

namespace bsg::tools {

struct EvaluateOptions {
  bool dense = true, gated = true;  // at least one
  std::int64_t batch = 128;
  bool keep_outputs = false;  // Report::outputs
  Precision precision = Precision::f32;
};

// images_per_second is batch / median time of the network alone over all whole batches (over the last one, when there
// is no other), after runs of the first batch that are not timed. Images are loaded, and brought to the device, outside
// of the time; results are on the host when it ends. The executions take turns batch by batch, each first every second
// time.
struct ExecutionReport {
  double images_per_second = 0;
  double top1 = 0;  // percent
};

struct Report {
  inference::Evaluation evaluation;  // of the gated execution, if it was run
  std::optional<ExecutionReport> dense, gated;
  std::optional<double> max_abs_difference;  // between the executions' logits
  // logits f32 [N, classes], labels i64 [N], and for gated networks gates u8 [N, gates of all layers].
  NamedTensors outputs;
};

// Runs on context's device and threads. progress(images done, images in all) is called after every batch. Throws
// DataError when the data has other classes than the subject.
Report evaluate(Context& context, const Subject& subject, std::shared_ptr<const data::Dataset> dataset,
                const EvaluateOptions& options, const std::function<void(std::int64_t, std::int64_t)>& progress);

}  // namespace bsg::tools
