// Learning rate and loss weights as pure functions of the progress in epochs (3.5: in the middle of the fourth), taken
// at every step.
#pragma once

#include <string>
#include <vector>

namespace bsg::optim {

struct LearningRateSchedule {
  enum class Kind { constant, step, cosine, poly };
  Kind kind = Kind::step;
  double base = 0.1;
  std::vector<double> milestones;  // step: epochs, ascending, at which the rate is multiplied by factor
  double factor = 0.1;
  double warmup_epochs = 0;  // a linear rise from 0
  double epochs = 1;         // of the run; cosine and poly end at 0 there
  double power = 0.9;        // poly: the rate is multiplied by (1 - progress)^power

  double at(double epoch) const;
};

// Throws ConfigError for a name that is not "constant", "step", "cosine" or "poly".
LearningRateSchedule::Kind parse_schedule_kind(const std::string& name);

// start until start_epoch, then linearly to 0 at end_epoch; 0 everywhere when end_epoch is 0 or less.
double falling_weight(double start, double start_epoch, double end_epoch, double epoch);

// 0 before start_epoch, then linearly to end at end_epoch, and end from there on.
double rising_weight(double end, double start_epoch, double end_epoch, double epoch);

}  // namespace bsg::optim
