// What a run of the program found, and the file that keeps it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "benchmarks/bsg_bench/statistics.hpp"

namespace bsg::bench {

// One measured piece of work. Suite, name and gates together are its key: another run is compared by it.
struct Line {
  std::string suite;
  std::string name;   // what was done, on which shape, batch and all
  std::string gates;  // "dense", a density or a pattern
  std::int64_t batch = 0;
  double active_macs = 0, dense_macs = 0;  // multiply-accumulates of the definition; 0: nothing that is counted so
  Summary seconds;
  double peak_gflops = 0;        // of the machine, measured in turns with this line; 0: not measured
  double share_of_peak = 0;      // median over the rounds; 0: none
  std::optional<Summary> ratio;  // time over that of the line's own dense execution, round by round

  double gflops() const { return 2e-9 * active_macs / seconds.median; }
  double images_per_second() const { return static_cast<double>(batch) / seconds.median; }
  // How much more time than multiply-accumulates is left.
  std::optional<double> proportionality() const {
    if (!ratio || active_macs <= 0) return std::nullopt;
    return ratio->median / (active_macs / dense_macs);
  }
  std::string key() const { return suite + " / " + name + " / " + gates; }
};

struct Machine {
  std::string processor;     // the CPU's name
  std::string instructions;  // that its kernels were chosen for
  int threads = 0;
  std::string device;  // cpu, cuda or simt
  std::string gpu;     // its name; empty on the CPU
};

struct Results {
  std::string commit, command, precision, cache, clock;
  std::uint64_t seed = 0;
  Machine machine;
  std::vector<Line> lines;
  std::int64_t peak_memory = 0;   // of the process, in bytes, at its end
  std::int64_t start_memory = 0;  // before anything was measured
};

// The file of --json; its fields are in docs/benchmarks.md.
std::string to_json(const Results& results);
// Throws DataError, naming `source`, for text that to_json did not write.
Results parse_results(const std::string& text, const std::string& source);

}  // namespace bsg::bench
