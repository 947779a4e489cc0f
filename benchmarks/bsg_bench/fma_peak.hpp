// What the machine's multiply-add units can do: the yardstick of every line.
#pragma once

#include <string>

#include "benchmarks/bsg_bench/timing.hpp"

namespace bsg::bench {

// Independent chains of fused multiply-adds in vector registers, on every thread, no memory touched.
class CpuPeak {
 public:
  explicit CpuPeak(int threads) : threads_(threads) {}

  void run(int times) const;
  double macs() const;  // multiply-accumulates of one time

 private:
  int threads_;
};

// The instruction set that the CPU's kernels are chosen for: "AVX3" (AVX-512), "AVX2", ...
std::string cpu_instructions();

}  // namespace bsg::bench
