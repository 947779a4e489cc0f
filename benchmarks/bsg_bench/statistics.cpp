#include "benchmarks/bsg_bench/statistics.hpp"

#include <algorithm>
#include <cmath>

namespace bsg::bench {
namespace {

double quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

Summary summarize(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {.samples = static_cast<std::int64_t>(values.size()),
          .least = values.front(),
          .lower = quantile(values, 0.25),
          .median = quantile(values, 0.5),
          .upper = quantile(values, 0.75),
          .greatest = values.back()};
}

double notch(const Summary& s) {
  return 1.57 * s.interquartile_range() / std::sqrt(static_cast<double>(s.samples)) / s.median;
}

std::string_view to_string(Change change) {
  switch (change) {
    case Change::noise:
      return "noise";
    case Change::machine:
      return "machine";
    case Change::faster:
      return "faster";
    case Change::slower:
      return "slower";
  }
  return "unknown";
}

Change judge(const Measured& before, const Measured& after, double threshold) {
  const double needed = std::max(notch(before.seconds) + notch(after.seconds), threshold);
  const double ratio = after.seconds.median / before.seconds.median;
  const auto differs = [&](double r) { return r > 1 + needed || r < 1 / (1 + needed); };
  if (!differs(ratio)) return Change::noise;
  if (before.peak > 0 && after.peak > 0) {
    const double in_peaks = ratio * after.peak / before.peak;
    if (!differs(in_peaks) || (in_peaks > 1) != (ratio > 1)) return Change::machine;
  }
  return ratio < 1 ? Change::faster : Change::slower;
}

}  // namespace bsg::bench
