// What a run learns from and is judged on: the data that the command line names, prepared as the recipe says.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/nn/network.hpp"
#include "engine/train/recipe.hpp"
#include "tools/common/loader_source.hpp"

namespace bsg::tools {

struct TrainingSets {
  std::vector<std::string> classes;
  int height = 0, width = 0;  // of the images that the network takes
  std::unique_ptr<LoaderSource> train, test;
  std::vector<float> class_weights;  // none: every class counts alike
};

// Throws what data::open_dataset throws, ConfigError for a recipe that does not fit the data: pixels have labels, and
// the network tells images apart, or the other way round.
TrainingSets open_training_sets(Context& host, const train::Recipe& recipe, const std::string& path,
                                std::uint64_t seed);

}  // namespace bsg::tools
