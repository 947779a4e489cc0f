// What a handful of times says: the middle, the spread, and whether two runs differ.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace bsg::bench {

// Quartiles by linear interpolation between the sorted values.
struct Summary {
  std::int64_t samples = 0;
  double least = 0, lower = 0, median = 0, upper = 0, greatest = 0;

  double interquartile_range() const { return upper - lower; }
};

// At least one value.
Summary summarize(std::vector<double> values);

// Half of the width of a box plot's notch, relative to the median: 1.57 * interquartile range / sqrt(samples). Medians
// whose notches do not overlap differ at the level of 5 % (McGill, Tukey and Larsen 1978).
double notch(const Summary& summary);

// noise: the times may be the same. machine: they differ, but no more than the machine's measured peak does.
enum class Change { noise, machine, faster, slower };
std::string_view to_string(Change change);

// One figure in two runs, with the peak of the machine that each run measured beside it (0: none was measured).
struct Measured {
  Summary seconds;
  double peak = 0;
};

// A change is told from noise when it exceeds both notches together and the share `threshold`, also after times were
// counted in units of the peaks.
Change judge(const Measured& before, const Measured& after, double threshold);

}  // namespace bsg::bench
