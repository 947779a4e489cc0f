#include "benchmarks/bsg_bench/compare.hpp"

#include <cmath>
#include <map>

#include <fmt/format.h>

#include "benchmarks/bsg_bench/table.hpp"

namespace bsg::bench {
namespace {

std::string describe(const Results& r) {
  return fmt::format("{}, {} on {} ({}), {} threads, {}", r.commit, r.machine.device,
                     r.machine.gpu.empty() ? r.machine.processor : r.machine.gpu, r.machine.instructions,
                     r.machine.threads, r.precision);
}

}  // namespace

std::string comparison(const Results& before, const Results& after, double threshold) {
  std::map<std::string, const Line*> known;
  for (const Line& line : before.lines) known[line.key()] = &line;
  std::string text = fmt::format("A: {}\nB: {}\n", describe(before), describe(after));
  text += fmt::format("{:<52} {:>8} {:>8} {:>7} {:>7}  {}\n{:-<100}\n", "", "A", "B", "B / A", "+-%", "change", "");
  std::map<Change, int> counts;
  double sum_of_logs = 0;
  int compared = 0;
  for (const Line& line : after.lines) {
    const auto found = known.find(line.key());
    if (found == known.end()) continue;
    const Line& old = *found->second;
    const Change change = judge({old.seconds, old.peak_gflops}, {line.seconds, line.peak_gflops}, threshold);
    const double ratio = line.seconds.median / old.seconds.median;
    ++counts[change];
    ++compared;
    sum_of_logs += std::log(ratio);
    text += fmt::format("{:<52} {:>8} {:>8} {:>7.3f} {:>7.1f}  {}\n", line.name + ", " + line.gates,
                        duration(old.seconds.median), duration(line.seconds.median), ratio,
                        100 * (notch(old.seconds) + notch(line.seconds)), to_string(change));
  }
  if (compared == 0) return text + "no line is in both\n";
  text += fmt::format(
      "{} lines in both: {} faster, {} slower, {} noise, {} the machine's; geometric mean of B / A {:.3f}\n", compared,
      counts[Change::faster], counts[Change::slower], counts[Change::noise], counts[Change::machine],
      std::exp(sum_of_logs / compared));
  return text;
}

}  // namespace bsg::bench
