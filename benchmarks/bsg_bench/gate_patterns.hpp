// Which channels are on, for each sample of a batch: what a gated convolution is timed with.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/random.hpp"

namespace bsg::bench {

struct Gates {
  std::int64_t channels = 0;
  std::vector<std::vector<std::int32_t>> open;  // by sample, ascending

  std::int64_t count(std::size_t sample) const { return static_cast<std::int64_t>(open[sample].size()); }
};

// independent: each gate by a coin of its own that says on with probability `density`. The others are the same in every
// sample, except halves_of_batch: the first half of the samples has all channels on, the rest none, so that whoever
// cuts the work by samples alone waits.
enum class Pattern { independent, all_on, one_on, first_half, alternating, halves_of_batch };

struct GateChoice {
  Pattern pattern = Pattern::independent;
  double density = 1;

  std::string name() const;  // "0.50", "one on", ...; at most 10 letters
};

Gates draw_gates(const GateChoice& choice, std::int64_t batch, std::int64_t channels, Generator& random);

// The densities, then the worst cases.
std::vector<GateChoice> gate_choices(const std::vector<double>& densities, bool worst_cases);

}  // namespace bsg::bench
