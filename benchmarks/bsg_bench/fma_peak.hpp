// What the machine's multiply-add units can do: the yardstick of every line.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "engine/core/context.hpp"

namespace bsg::bench {

class Peak {
 public:
  virtual ~Peak() = default;
  virtual void run(int times) = 0;
  virtual double macs() const = 0;  // multiply-accumulates of one time
};

// Independent chains of fused multiply-adds in vector registers, on every thread, no memory touched.
std::unique_ptr<Peak> cpu_peak(int threads);

// The same on a GPU: fused multiply-adds (f32), or mma.sync on its tensor cores (tf32, bf16). The context outlives it.
std::unique_ptr<Peak> device_peak(Context& context, std::string_view precision);

// The instruction set that the CPU's kernels are chosen for: "AVX3" (AVX-512), "AVX2", ...
std::string cpu_instructions();

}  // namespace bsg::bench
