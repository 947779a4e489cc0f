// What is measured. Every suite checks its results against a reference before it times anything, and throws
// NumericError where they are wrong.
#pragma once

#include <span>

#include "benchmarks/bsg_bench/bench.hpp"

namespace bsg::bench {

struct Suite {
  const char* name;
  const char* what;  // one line, for --help
  void (*run)(Bench& bench);
};

std::span<const Suite> suites();

void run_gated_conv_on_cpu(Bench& bench);
void run_gated_conv_on_device(Bench& bench);
void run_gate(Bench& bench);
void run_batch_shaping(Bench& bench);
void run_conv2d(Bench& bench);
void run_network(Bench& bench);
void run_training(Bench& bench);

}  // namespace bsg::bench
