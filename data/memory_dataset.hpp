// A data set that is held in memory, decoded.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/dataset.hpp"

namespace bsg::data {

class MemoryDataset : public Dataset {
 public:
  using Source = std::function<std::string(std::int64_t)>;

  // source: Dataset::source.
  MemoryDataset(std::vector<Example> examples, std::vector<std::string> classes, Source source)
      : examples_(std::move(examples)), classes_(std::move(classes)), source_(std::move(source)) {}

  std::int64_t size() const override { return static_cast<std::int64_t>(examples_.size()); }
  Example get(std::int64_t index) const override { return examples_[static_cast<std::size_t>(index)]; }
  std::string source(std::int64_t index) const override { return source_(index); }
  const std::vector<std::string>& classes() const override { return classes_; }
  bool labels_pixels() const override { return !examples_.empty() && !examples_.front().annotation.labels.empty(); }

 private:
  std::vector<Example> examples_;
  std::vector<std::string> classes_;
  Source source_;
};

struct HoldLimits {
  std::uint64_t bytes = 0;                                               // of all pixels and labels
  std::int64_t image_pixels = std::numeric_limits<std::int64_t>::max();  // of one image
};
// The set, decoded, or itself where it turns out to exceed a limit. Throws what the first example that cannot be
// decoded throws, unless these are left for their get to throw it.
std::shared_ptr<const Dataset> held_in_memory(const std::shared_ptr<const Dataset>& dataset, const HoldLimits& limits,
                                              bool leave_unreadable = false);

}  // namespace bsg::data
