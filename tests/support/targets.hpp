// The instruction sets that highway chooses from.
#pragma once

#include <cstdint>

#include <hwy/highway.h>

namespace bsg::test {

// Runs body for every instruction set that this processor and the kernels have.
template <class Body>
void for_each_target(const Body& body) {
  std::int64_t disabled = 0;
  while (true) {
    hwy::DisableTargets(disabled);
    hwy::GetChosenTarget().DeInit();
    const std::int64_t left = hwy::SupportedTargets() & HWY_TARGETS;
    body();
    const std::int64_t best = left & -left;
    if (best == left || best == 0) break;
    disabled |= best;
  }
  hwy::DisableTargets(0);
  hwy::GetChosenTarget().DeInit();
}

}  // namespace bsg::test
