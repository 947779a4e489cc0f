// The training loop: epochs of steps, an evaluation, metrics and checkpoints; stoppable at every step and resumable to
// the same bits.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/nn/network.hpp"
#include "engine/optim/sgd.hpp"
#include "engine/train/batch_source.hpp"
#include "engine/train/batch_upload.hpp"
#include "engine/train/checkpoint.hpp"
#include "engine/train/losses.hpp"
#include "engine/train/metrics.hpp"
#include "engine/train/recipe.hpp"
#include "engine/train/run_folder.hpp"
#include "engine/train/step_report.hpp"

namespace bsg::train {

// What a run learns from, and what a checkpoint says of it.
struct TrainingData {
  BatchSource& train;
  BatchSource& test;
  std::vector<std::string> classes;
  int height = 0, width = 0;              // of the images that the network takes
  std::vector<float> class_weights = {};  // of the cross-entropy; none: every class counts alike
};

// Told what happens; called from the training thread. On a device the host is a step ahead of what it knows, and tells
// a step when it does.
class TrainingObserver {
 public:
  virtual ~TrainingObserver() = default;
  // After step `step` of `steps` in epoch `epoch` (both from 1).
  virtual void step(std::int64_t epoch, std::int64_t step, std::int64_t steps, double loss) = 0;
  virtual void row(const MetricsRow& row) = 0;
};

enum class TrainingOutcome { finished, interrupted, out_of_time };

class Trainer {
 public:
  // The folder exists. Network, data and context outlive the trainer. Gate noise is drawn from context.random(). Throws
  // ConfigError when an epoch has no step.
  Trainer(Context& context, nn::Network& network, const Recipe& recipe, std::uint64_t seed, TrainingData data,
          RunFolder folder);

  // Takes up the state of the folder's last checkpoint, to the last bit. Throws DataError for a damaged checkpoint or
  // one of another network, ConfigError when it was made by another recipe (only how long to run and how often to
  // evaluate and save may differ), another seed or other data.
  void resume();

  // Goes on to the recipe's last epoch. stop_requested is asked after every step; when it says yes, or when
  // train.max_seconds are over, a checkpoint of this very step is written. After a NaN or infinite loss NumericError is
  // thrown and the last checkpoint stays as it was.
  TrainingOutcome run(TrainingObserver& observer, const std::function<bool()>& stop_requested);

  // Epochs that are done.
  std::int64_t epoch() const { return epoch_; }
  // The best score on the test split so far (MetricsRow::score, in percent); negative before the first evaluation.
  double best_score() const { return best_score_; }

 private:
  void train_step(const LabelledImages& batch, const ScheduledValues& values, TrainingObserver& observer);
  // Counts a step whose report was fetched, unless that was done.
  void settle(StepReport& report, TrainingObserver& observer);
  MetricsRow evaluate();
  MetricSums no_sums() const;
  void save(const std::string& path);

  Context& context_;  // of the training steps
  Context host_;      // of checkpoints and evaluation
  nn::Network& network_;
  Recipe recipe_;
  std::uint64_t seed_;
  TrainingData data_;
  RunFolder folder_;
  Schedules schedules_;
  TrainingLoss loss_;
  optim::Sgd optimizer_;
  BatchUpload upload_;
  std::unique_ptr<StepReport> report_, report_before_;  // of the last step that was queued, and of the one before it
  std::int64_t epoch_ = 0;                              // done
  std::int64_t step_ = 0;                               // done in the epoch after those
  double best_score_ = -1;
  MetricSums sums_;  // of the epoch that is under way
};

}  // namespace bsg::train
