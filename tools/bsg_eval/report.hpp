#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "tools/bsg_eval/evaluate.hpp"

namespace bsg::tools {

// How the evaluation was asked for: for people and programs that read its results later.
struct Setting {
  std::string data, split, device, precision;
  std::int64_t batch = 0;
  int threads = 0;
  std::optional<inference::WindowOptions> windows;
};

// What bsg_eval --json writes: one JSON object. Numbers that are not finite, and those that are not known, are null.
// classes: names by label.
std::string to_json(const Subject& subject, const Setting& setting, const std::vector<std::string>& classes,
                    const Report& report);

// What one image came to: index, source, label or mean_iou and pixel_accuracy, loss, density.
nlohmann::ordered_json image_to_json(const Report& report, const data::Dataset& dataset, std::int64_t index);

// What bsg_eval --per-image writes: for each image a line with one JSON object, which has macs and density_per_layer
// too.
void write_per_image(const std::string& path, const Report& report, const data::Dataset& dataset);

// The same for people.
void print_table(const Subject& subject, const Setting& setting, const std::vector<std::string>& classes,
                 const Report& report);

}  // namespace bsg::tools
