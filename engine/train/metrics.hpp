// What an epoch is judged by: sums that batches add to, and the row of metrics.jsonl that comes of them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/inference/confusion_matrix.hpp"
#include "engine/nn/network.hpp"

namespace bsg::train {

// One line of metrics.jsonl: the means over the images of a split in one epoch.
struct MetricsRow {
  std::int64_t epoch = 0;  // from 1: after so many epochs
  std::string split;       // "train", with augmentation and gate noise, while the weights move; or "test"
  double loss = 0;         // with the weights of the terms in force
  double loss_task = 0;
  // Without their weights; null while they are not part of the loss.
  std::optional<double> loss_auxiliary, loss_batch_shaping, loss_l0;
  std::optional<double> top1;  // classification: percent
  std::optional<inference::SegmentationScores> segmentation;
  double density = 1;  // share of gates that are on; 1 without gates
  std::vector<double> density_per_layer;
  double macs_mean = 0;  // needed per image
  std::int64_t macs_dense = 0;
  double images_per_second = 0;
  double lr = 0, gamma = 0, rho = 0;  // at the epoch's last step

  // What the best checkpoint is chosen by: top-1, or mean IoU in percent.
  double score() const { return segmentation ? 100 * segmentation->mean_iou : top1.value_or(0); }
  // A JSON object on one line, without the line break.
  std::string to_json() const;
};

// What a training step came to, on the host.
struct StepResult {
  std::int64_t images = 0;
  std::span<const std::int32_t> predicted;    // [N], or [N, H, W]: the class with the largest logit
  std::span<const std::int64_t> labels;       // the same shape
  std::vector<std::span<const float>> gates;  // by layer: [N, gates of the layer], 0 or 1
  double loss = 0;                            // with the weights of its terms
  double task = 0;                            // the terms without them
  std::optional<double> auxiliary, batch_shaping, l0;
};

// Sums over batches. Additions happen in the order of the batches, so that a sum that was stored in the middle of an
// epoch and taken up again ends in the same bits.
class MetricSums {
 public:
  // macs outlives the sums.
  MetricSums(const nn::MacModel& macs, nn::Task task, std::int64_t classes);

  void add(const StepResult& step);
  std::int64_t images() const { return images_; }
  // epoch, split, the speed and the scheduled values are the caller's to fill in.
  MetricsRow row() const;

  // For checkpoints; restore throws DataError when the text is not what to_json gave for a network with as many layers.
  std::string to_json() const;
  void restore(const std::string& json, const std::string& name_for_errors);

 private:
  const nn::MacModel* macs_;
  std::int64_t images_ = 0, correct_ = 0;
  std::optional<inference::ConfusionMatrix> pixels_;  // segmentation
  double loss_ = 0, task_ = 0, auxiliary_ = 0, shaping_ = 0, l0_ = 0;
  std::int64_t auxiliary_images_ = 0, shaping_images_ = 0, l0_images_ = 0;
  std::vector<std::int64_t> open_;  // gates that were on, by layer
  std::int64_t needed_ = 0;         // multiply-accumulates
};

}  // namespace bsg::train
