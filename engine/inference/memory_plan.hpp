// Where buffers lie in one block of memory: those that are never alive together share it.
#pragma once

#include <cstddef>
#include <vector>

namespace bsg::inference {

// A buffer that is written in step `first` and read up to step `last`, both included.
struct Lifetime {
  std::size_t bytes = 0;
  int first = 0, last = 0;
};

struct MemoryPlan {
  static constexpr std::size_t kAlignment = 256;

  std::vector<std::size_t> offset;  // of each buffer
  std::size_t bytes = 0;            // of all
};

// Greedy, the largest buffers first, each as low as those before it allow.
MemoryPlan plan_memory(const std::vector<Lifetime>& buffers);

}  // namespace bsg::inference
