#include "engine/inference/memory_plan.hpp"

#include <algorithm>

#include "engine/core/random.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;
using inference::Lifetime;
using inference::MemoryPlan;
using inference::plan_memory;

namespace {

constexpr std::size_t kAlignment = MemoryPlan::kAlignment;

std::size_t padded(std::size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

TEST_CASE("buffers that are alive together lie apart, others share memory", "[memory_plan]") {
  // A chain of layers of one size: two at a time.
  std::vector<Lifetime> chain;
  for (int i = 0; i < 10; ++i) chain.push_back({1000, i, i + 1});
  CHECK(plan_memory(chain).bytes == 2 * padded(1000));
  CHECK(plan_memory({}).bytes == 0);
  CHECK(plan_memory({{0, 0, 5}}).bytes == 0);
  CHECK(plan_memory({{1, -1, -1}, {1, 0, 0}}).bytes == kAlignment);
  CHECK(plan_memory({{1, -1, 0}, {1, 0, 0}}).bytes == 2 * kAlignment);
}

TEST_CASE("random lifetimes never overlap in time and memory", "[memory_plan]") {
  Generator random(5);
  for (int round = 0; round < 200; ++round) {
    const int count = 1 + static_cast<int>(random.uniform() * 30), steps = 12;
    std::vector<Lifetime> buffers;
    for (int i = 0; i < count; ++i) {
      const int first = static_cast<int>(random.uniform() * steps);
      const int last = first + static_cast<int>(random.uniform() * (steps - first));
      buffers.push_back({static_cast<std::size_t>(random.uniform() * 5000), first, last});
    }
    const MemoryPlan plan = plan_memory(buffers);
    REQUIRE(plan.offset.size() == buffers.size());
    std::size_t end = 0, all = 0;
    int overlaps = 0;
    for (std::size_t i = 0; i < buffers.size(); ++i) {
      const std::size_t i_end = plan.offset[i] + padded(buffers[i].bytes);
      REQUIRE(plan.offset[i] % kAlignment == 0);
      end = std::max(end, i_end);
      all += padded(buffers[i].bytes);
      for (std::size_t j = 0; j < i; ++j) {
        const bool in_time = buffers[i].first <= buffers[j].last && buffers[j].first <= buffers[i].last;
        const std::size_t j_end = plan.offset[j] + padded(buffers[j].bytes);
        overlaps += in_time && plan.offset[i] < j_end && plan.offset[j] < i_end;
      }
    }
    CHECK(overlaps == 0);
    CHECK(end == plan.bytes);
    CHECK(plan.bytes <= all);
    // What is alive in a step must fit.
    for (int step = 0; step < steps; ++step) {
      std::size_t alive = 0;
      for (const Lifetime& buffer : buffers)
        if (buffer.first <= step && step <= buffer.last) alive += padded(buffer.bytes);
      CHECK(plan.bytes >= alive);
    }
  }
}
