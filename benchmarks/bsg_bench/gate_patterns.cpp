#include "benchmarks/bsg_bench/gate_patterns.hpp"

#include <fmt/format.h>

namespace bsg::bench {

std::string GateChoice::name() const {
  switch (pattern) {
    case Pattern::independent:
      return fmt::format("{:.2f}", density);
    case Pattern::all_on:
      return "all on";
    case Pattern::one_on:
      return "one on";
    case Pattern::first_half:
      return "first half";
    case Pattern::alternating:
      return "alternate";
    case Pattern::halves_of_batch:
      return "uneven";
  }
  return "unknown";
}

Gates draw_gates(const GateChoice& choice, std::int64_t batch, std::int64_t channels, Generator& random) {
  Gates gates{channels, {}};
  const auto on = [&](std::int64_t sample, std::int64_t channel) {
    switch (choice.pattern) {
      case Pattern::independent:
        return random.uniform() < choice.density;
      case Pattern::all_on:
        return true;
      case Pattern::one_on:
        return channel == channels / 2;
      case Pattern::first_half:
        return channel < (channels + 1) / 2;
      case Pattern::alternating:
        return channel % 2 == 0;
      case Pattern::halves_of_batch:
        return sample < (batch + 1) / 2;
    }
    return true;
  };
  for (std::int64_t n = 0; n < batch; ++n) {
    std::vector<std::int32_t>& open = gates.open.emplace_back();
    for (std::int64_t c = 0; c < channels; ++c)
      if (on(n, c)) open.push_back(static_cast<std::int32_t>(c));
  }
  return gates;
}

std::vector<GateChoice> gate_choices(const std::vector<double>& densities, bool worst_cases) {
  std::vector<GateChoice> choices;
  for (const double density : densities) choices.push_back({Pattern::independent, density});
  if (worst_cases)
    for (const Pattern pattern :
         {Pattern::all_on, Pattern::one_on, Pattern::first_half, Pattern::alternating, Pattern::halves_of_batch})
      choices.push_back({pattern, 0});
  return choices;
}

}  // namespace bsg::bench
