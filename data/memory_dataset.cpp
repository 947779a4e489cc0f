#include "data/memory_dataset.hpp"

#include <atomic>
#include <cstddef>
#include <utility>

#include "data/parallel.hpp"
#include "engine/core/error.hpp"

namespace bsg::data {

namespace {

// Examples without pixels are those that could not be read.
class HeldDataset : public MemoryDataset {
 public:
  HeldDataset(std::vector<Example> examples, std::shared_ptr<const Dataset> dataset)
      : MemoryDataset(std::move(examples), dataset->classes(),
                      [dataset](std::int64_t i) { return dataset->source(i); }),
        dataset_(std::move(dataset)) {}

  Example get(std::int64_t index) const override {
    Example example = MemoryDataset::get(index);
    return example.image.pixels.empty() ? dataset_->get(index) : example;
  }
  bool labels_pixels() const override { return dataset_->labels_pixels(); }

 private:
  std::shared_ptr<const Dataset> dataset_;
};

}  // namespace

std::shared_ptr<const Dataset> held_in_memory(const std::shared_ptr<const Dataset>& dataset, const HoldLimits& limits,
                                              bool leave_unreadable) {
  std::vector<Example> examples(static_cast<std::size_t>(dataset->size()));
  std::atomic<std::uint64_t> bytes = 0;
  std::atomic<bool> large = false;  // an image is
  for_each_index(dataset->size(), [&](std::int64_t i) {
    if (bytes > limits.bytes || large) return;
    Example example;
    try {
      example = dataset->get(i);
    } catch (const DataError&) {
      if (!leave_unreadable) throw;
    }
    if (std::int64_t{example.image.height} * example.image.width > limits.image_pixels) large = true;
    bytes += example.image.pixels.size() + example.annotation.labels.size();
    examples[static_cast<std::size_t>(i)] = std::move(example);
  });
  if (bytes > limits.bytes || large) return dataset;
  return std::make_shared<HeldDataset>(std::move(examples), dataset);
}

}  // namespace bsg::data
