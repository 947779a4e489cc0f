// Runs a network over a data set in one or both executions, and times them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.hpp"
#include "engine/core/safetensors.hpp"
#include "engine/inference/evaluation_metrics.hpp"
#include "engine/inference/windows.hpp"
#include "tools/bsg_eval/execution_run.hpp"
#include "tools/bsg_eval/subject.hpp"

namespace bsg::tools {

struct EvaluateOptions {
  bool dense = true, gated = true;  // at least one
  std::int64_t batch = 128;         // images at once or, where pixels have classes, windows of an image
  bool keep_outputs = false;        // Report::outputs; classification only
  Precision precision = Precision::f32;
  // Segmentation: images are seen through windows; without, by a network that is made for their size.
  std::optional<inference::WindowOptions> windows;
  // Segmentation: called with the classes of the pixels [height, width] of these images, which are in ascending order.
  std::vector<std::int64_t> shown = {};
  std::function<void(std::int64_t index, const data::Example&, std::span<const std::int32_t> classes)> show = {};
};

// Of the gated execution, if it was run, else of the dense one.
struct Report {
  inference::Evaluation evaluation;
  std::vector<inference::ImageResult> images;  // in the data set's order
  std::vector<std::int64_t> labels;            // of the images; none where pixels have classes
  std::optional<ExecutionReport> dense, gated;
  std::optional<double> max_abs_difference;  // between the executions' logits
  // logits f32 [N, classes], labels i64 [N], and for gated networks gates u8 [N, gates of all layers].
  NamedTensors outputs;
};

// Runs on context's device and threads. progress(images done, images in all) is called after every batch. Throws
// DataError when the data has other classes than the subject, or classes of images instead of pixels or the reverse.
Report evaluate(Context& context, const Subject& subject, std::shared_ptr<const data::Dataset> dataset,
                const EvaluateOptions& options, const std::function<void(std::int64_t, std::int64_t)>& progress);

}  // namespace bsg::tools
