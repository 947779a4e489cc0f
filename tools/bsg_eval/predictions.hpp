// Pictures of what a network makes of images, and a file that says what they show.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "tools/bsg_eval/evaluate.hpp"

namespace bsg::tools {

// `count` of the images 0 to size - 1, evenly spaced, ascending; 0: all.
std::vector<std::int64_t> evenly_spaced(std::int64_t size, std::int64_t count);

// Writes into a folder:
//   segmentation     image-NNNNNN.png for images of the set: input, truth and prediction side by side, pixels without
//                    a label black in the truth
//   classification   channels.png: the ten images that use the fewest channels, and below them the ten that use the
//   most predictions.json what each picture shows: source, loss, density, mean IoU; and the colours of the classes
class Predictions {
 public:
  // Makes the folder where there is none. Throws ConfigError where the path is something else, IoError where it cannot
  // be made or written into.
  Predictions(std::string folder, const data::Dataset& dataset);

  // A segmented image, classes [height, width].
  void add(std::int64_t index, const data::Example& example, std::span<const std::int32_t> classes);
  // All that is known at the end: the contact sheet of a classification, and the index.
  void finish(const Report& report) const;

 private:
  void write(const std::string& name, const data::Image& image) const;
  std::string write_channels(const Report& report, nlohmann::ordered_json& shown) const;

  std::string folder_;
  const data::Dataset& dataset_;
  std::vector<std::int64_t> added_;
};

}  // namespace bsg::tools
