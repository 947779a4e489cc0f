// Loops over independent items on the CPU's threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/common/launch.hpp"

namespace bsg::kernels {

// Waking a second thread costs some microseconds: about this many elements are done in that time.
inline constexpr std::int64_t kElementsWorthAThread = 16384;

// A reduction is cut into this many parts at most, whatever the thread count, and the parts are added in order.
inline constexpr std::int64_t kReductionParts = 64;

// Calls body(begin, end) on disjoint ranges that cover [0, items). The ranges depend on the thread count, so a body
// must treat every item on its own. elements: of the whole loop.
template <class Body>
void parallel_for(const Launch& launch, std::int64_t items, std::int64_t elements, const Body& body) {
  const std::int64_t useful = std::max<std::int64_t>(1, elements / kElementsWorthAThread);
  const int threads = static_cast<int>(std::clamp<std::int64_t>(std::min(useful, items), 1, launch.threads));
  if (threads == 1) return body(std::int64_t{0}, items);
#pragma omp parallel for num_threads(threads) schedule(static, 1)
  for (int thread = 0; thread < threads; ++thread) body(items * thread / threads, items * (thread + 1) / threads);
}

}  // namespace bsg::kernels
