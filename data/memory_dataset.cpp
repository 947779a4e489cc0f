#include "data/memory_dataset.hpp"

#include <atomic>
#include <cstddef>

#include "data/parallel.hpp"

namespace bsg::data {

std::shared_ptr<const Dataset> held_in_memory(const std::shared_ptr<const Dataset>& dataset, std::uint64_t max_bytes) {
  std::vector<Example> examples(static_cast<std::size_t>(dataset->size()));
  std::atomic<std::uint64_t> bytes = 0;
  for_each_index(dataset->size(), [&](std::int64_t i) {
    if (bytes > max_bytes) return;
    Example example = dataset->get(i);
    bytes += example.image.pixels.size() + example.annotation.labels.size();
    examples[static_cast<std::size_t>(i)] = std::move(example);
  });
  if (bytes > max_bytes) return dataset;
  return std::make_shared<MemoryDataset>(std::move(examples), dataset->classes(),
                                         [dataset](std::int64_t i) { return dataset->source(i); });
}

}  // namespace bsg::data
