#include "benchmarks/bsg_bench/table.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace bsg::bench {
namespace {

std::string cell(double value, const char* format) {
  return value > 0 ? fmt::format(fmt::runtime(format), value) : "-";
}

std::string rate(double per_second) {
  return per_second < 1e6 ? fmt::format("{:.0f}", per_second) : fmt::format("{:.3g}M", per_second / 1e6);
}

std::string joined(const std::array<std::string, 9>& cells) {
  return fmt::format("{:<39} {:<10} {:>8} {:>5} {:>8} {:>6} {:>5} {:>6} {:>5}\n", cells[0], cells[1], cells[2],
                     cells[3], cells[4], cells[5], cells[6], cells[7], cells[8]);
}

}  // namespace

std::string duration(double seconds) {
  struct Unit {
    double size;
    const char* name;
  };
  constexpr Unit kUnits[] = {{1, "s"}, {1e-3, "ms"}, {1e-6, "us"}, {1e-9, "ns"}};
  const Unit* unit =
      std::find_if(std::begin(kUnits), std::end(kUnits), [&](const Unit& u) { return seconds >= u.size; });
  if (unit == std::end(kUnits)) --unit;
  const double value = seconds / unit->size;
  return fmt::format("{:.{}f} {}", value, value < 10 ? 2 : value < 100 ? 1 : 0, unit->name);
}

std::string header(const Results& results) {
  const Machine& m = results.machine;
  return fmt::format("bsg_bench, commit {}, seed {}\n{}, {}, {} {}; device {}{}, {}, {} cache, {} clock\n",
                     results.commit, results.seed, m.processor, m.instructions, m.threads,
                     m.threads == 1 ? "thread" : "threads", m.device, m.gpu.empty() ? "" : " (" + m.gpu + ")",
                     results.precision, results.cache, results.clock);
}

std::string column_names() {
  return joined({"", "gates", "time", "+-%", "img/s", "GF/s", "peak", "/dense", "prop"}) + std::string(100, '-') + "\n";
}

std::string row(const Line& line) {
  const double spread = 50 * line.seconds.interquartile_range() / line.seconds.median;
  const double proportionality = line.proportionality().value_or(0);
  return joined({line.name, line.gates, duration(line.seconds.median), fmt::format("{:.1f}", spread),
                 rate(line.images_per_second()), cell(line.gflops(), "{:.1f}"), cell(line.share_of_peak, "{:.2f}"),
                 line.ratio ? fmt::format("{:.3f}", line.ratio->median) : "-",
                 cell(proportionality, proportionality < 100 ? "{:.2f}" : "{:.0f}")});
}

}  // namespace bsg::bench
