#include "engine/inference/memory_plan.hpp"

#include <algorithm>
#include <numeric>

namespace bsg::inference {

MemoryPlan plan_memory(const std::vector<Lifetime>& buffers) {
  const auto size = [&](std::size_t i) {
    return (buffers[i].bytes + MemoryPlan::kAlignment - 1) / MemoryPlan::kAlignment * MemoryPlan::kAlignment;
  };
  std::vector<std::size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return size(a) > size(b); });

  MemoryPlan plan{std::vector<std::size_t>(buffers.size()), 0};
  std::vector<std::size_t> placed;  // by offset
  for (const std::size_t i : order) {
    std::size_t at = 0;
    for (const std::size_t other : placed) {
      const bool together = buffers[other].first <= buffers[i].last && buffers[i].first <= buffers[other].last;
      if (!together) continue;
      if (at + size(i) <= plan.offset[other]) break;
      at = std::max(at, plan.offset[other] + size(other));
    }
    plan.offset[i] = at;
    plan.bytes = std::max(plan.bytes, at + size(i));
    placed.insert(std::upper_bound(placed.begin(), placed.end(), at,
                                   [&](std::size_t offset, std::size_t other) { return offset < plan.offset[other]; }),
                  i);
  }
  return plan;
}

}  // namespace bsg::inference
