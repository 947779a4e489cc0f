// Gates in device memory.
#pragma once

#include "benchmarks/bsg_bench/gate_patterns.hpp"
#include "engine/core/tensor.hpp"
#include "kernels/gate/gate_mask.hpp"

namespace bsg::bench {

class DeviceMask {
 public:
  // Copies the gates.
  DeviceMask(Context& context, const Gates& gates);
  // To be written by a gate.
  DeviceMask(Context& context, std::int64_t batch, std::int64_t channels);

  const kernels::device::GateMask& mask() const { return mask_; }
  // The channels of sample n that are on, copied to the host.
  std::vector<std::int32_t> open(std::int64_t n) const;

 private:
  Tensor list_, count_, bits_;
  kernels::device::GateMask mask_;
};

}  // namespace bsg::bench
