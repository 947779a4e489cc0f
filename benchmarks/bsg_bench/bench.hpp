// What the suites share: a device, random numbers, and the measurement of a group of executions of one piece of work.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "benchmarks/bsg_bench/fma_peak.hpp"
#include "benchmarks/bsg_bench/options.hpp"
#include "benchmarks/bsg_bench/result.hpp"
#include "benchmarks/bsg_bench/timing.hpp"
#include "engine/core/context.hpp"

namespace bsg::bench {

// Executions of the same work: the first is the dense one, to which the others' times are related.
struct Group {
  std::string suite, name;
  std::int64_t batch = 0;
  double dense_macs = 0;  // of the whole batch; 0: not counted
};
struct Execution {
  std::string gates;
  double active_macs = 0;
  Work work;
};

class Bench {
 public:
  // Throws ConfigError for options that do not fit together or the device.
  explicit Bench(const Options& options);

  const Options& options() const { return options_; }
  Context& context() { return context_; }
  bool on_cpu() const { return context_.on_cpu(); }
  // Of the images that a network is given: the command line's, or what it was designed for; on the emulator, which
  // takes minutes for what a CPU does in a millisecond, an eighth or so.
  int image_size(std::string_view arch) const;

  // Whether the filter lets a group through; `more` is text that the filter may name too.
  bool wants(const Group& group, std::string_view more = "") const;
  // Batches of a suite unless the command line gives others.
  std::vector<std::int64_t> batches(std::vector<std::int64_t> own) const;
  // Draws that depend on the seed and the name alone, not on what else is run.
  Generator random(std::string_view name) const;

  // False, after a line that says so, where the device's precision is another than f32.
  bool in_f32(std::string_view suite) const;

  // Times the executions in turns, with the machine's peak among them where multiply-accumulates are counted; prints a
  // row for each and keeps it. Results were checked before.
  void measure(const Group& group, const std::vector<Execution>& executions);

  const Results& results() const { return results_; }

 private:
  Options options_;
  Context context_;
  std::unique_ptr<Peak> peak_;  // null on the emulator
  std::unique_ptr<Stopwatch> stopwatch_;
  Results results_;
};

}  // namespace bsg::bench
