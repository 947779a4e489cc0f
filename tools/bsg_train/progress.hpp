#pragma once

#include <chrono>
#include <string>

#include "engine/train/trainer.hpp"

namespace bsg::tools {

// Shows a run on standard output: a bar that is drawn again in place on a terminal, a plain line now and then
// elsewhere, and a line for every row of metrics.jsonl.
class TrainingProgress : public train::TrainingObserver {
 public:
  TrainingProgress(std::int64_t epochs, std::int64_t batch);
  void step(std::int64_t epoch, std::int64_t step, std::int64_t steps, double loss) override;
  void row(const train::MetricsRow& row) override;

 private:
  using Clock = std::chrono::steady_clock;
  void clear_bar();

  std::int64_t epochs_, batch_;
  bool terminal_;
  bool bar_ = false;                        // a bar stands on the terminal's last line
  Clock::time_point shown_ = Clock::now();  // when something was last printed
  std::int64_t steps_since_ = 0;
};

}  // namespace bsg::tools
