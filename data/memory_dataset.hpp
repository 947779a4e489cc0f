// A data set that is held in memory, decoded.
#pragma once

#include <functional>
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

 private:
  std::vector<Example> examples_;
  std::vector<std::string> classes_;
  Source source_;
};

}  // namespace bsg::data
