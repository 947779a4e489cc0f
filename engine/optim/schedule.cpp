#include "engine/optim/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "engine/core/error.hpp"

namespace bsg::optim {

double LearningRateSchedule::at(double epoch) const {
  if (epoch < warmup_epochs) return base * epoch / warmup_epochs;
  const double progress = std::clamp((epoch - warmup_epochs) / std::max(epochs - warmup_epochs, 1e-12), 0.0, 1.0);
  switch (kind) {
    case Kind::constant:
      return base;
    case Kind::step: {
      double rate = base;
      for (const double milestone : milestones)
        if (epoch >= milestone) rate *= factor;
      return rate;
    }
    case Kind::cosine:
      return base * 0.5 * (1 + std::cos(std::numbers::pi * progress));
    case Kind::poly:
      return base * std::pow(1 - progress, power);
  }
  return base;
}

LearningRateSchedule::Kind parse_schedule_kind(const std::string& name) {
  if (name == "constant") return LearningRateSchedule::Kind::constant;
  if (name == "step") return LearningRateSchedule::Kind::step;
  if (name == "cosine") return LearningRateSchedule::Kind::cosine;
  if (name == "poly") return LearningRateSchedule::Kind::poly;
  throw_error<ConfigError>("schedule.kind: '{}' is not constant, step, cosine or poly", name);
}

double falling_weight(double start, double start_epoch, double end_epoch, double epoch) {
  if (end_epoch <= 0 || epoch >= end_epoch) return 0;
  if (epoch <= start_epoch) return start;
  return start * (end_epoch - epoch) / (end_epoch - start_epoch);
}

double rising_weight(double end, double start_epoch, double end_epoch, double epoch) {
  if (epoch < start_epoch) return 0;
  if (epoch >= end_epoch) return end;
  return end * (epoch - start_epoch) / (end_epoch - start_epoch);
}

}  // namespace bsg::optim
