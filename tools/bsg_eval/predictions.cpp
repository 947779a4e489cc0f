#include "tools/bsg_eval/predictions.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <numeric>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "data/encode_png.hpp"
#include "data/pictures.hpp"
#include "engine/core/error.hpp"
#include "engine/core/file.hpp"
#include "tools/bsg_eval/report.hpp"

namespace bsg::tools {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr int kSheetSide = 96;  // pixels
constexpr std::size_t kSheetColumns = 10;

std::string picture_name(std::int64_t index) { return fmt::format("image-{:06}.png", index); }

}  // namespace

std::vector<std::int64_t> evenly_spaced(std::int64_t size, std::int64_t count) {
  if (count == 0 || count > size) count = size;
  std::vector<std::int64_t> indices;
  for (std::int64_t i = 0; i < count; ++i) indices.push_back(i * size / count);
  return indices;
}

Predictions::Predictions(std::string folder, const data::Dataset& dataset)
    : folder_(std::move(folder)), dataset_(dataset) {
  std::error_code error;
  if (fs::exists(folder_, error) && !fs::is_directory(folder_, error))
    throw_error<ConfigError>("{}: exists and is no folder", folder_);
  fs::create_directories(folder_, error);
  if (error) throw_error<IoError>("cannot make the folder {}: {}", folder_, error.message());
  if (::access(folder_.c_str(), W_OK | X_OK) != 0) throw_error<IoError>("cannot write into the folder {}", folder_);
}

void Predictions::write(const std::string& name, const data::Image& image) const {
  AtomicFileWriter file((fs::path(folder_) / name).string());
  file.write(data::encode_png(image));
  file.commit();
}

void Predictions::add(std::int64_t index, const data::Example& example, std::span<const std::int32_t> classes) {
  const auto colors = data::class_colors(dataset_.classes());
  const std::array<data::Image, 3> images = {example.image, data::colored(example.annotation, colors),
                                             data::colored(classes, example.image.height, example.image.width, colors)};
  write(picture_name(index), data::side_by_side(images));
  added_.push_back(index);
}

std::string Predictions::write_channels(const Report& report, Json& shown) const {
  std::vector<std::int64_t> order(report.images.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {},
                           [&](std::int64_t i) { return report.images[static_cast<std::size_t>(i)].density; });
  const std::size_t columns = std::min(kSheetColumns, order.size());
  std::vector<std::vector<data::Image>> rows;
  for (const bool fewest : {true, false}) {
    const std::span<const std::int64_t> row = fewest ? std::span(order).first(columns) : std::span(order).last(columns);
    rows.emplace_back();
    Json& of_row = shown[fewest ? "fewest_channels" : "most_channels"] = Json::array();
    for (const std::int64_t index : row) {
      rows.back().push_back(dataset_.get(index).image);
      of_row.push_back(image_to_json(report, dataset_, index));
    }
  }
  write("channels.png", data::contact_sheet(rows, kSheetSide));
  return "channels.png";
}

void Predictions::finish(const Report& report) const {
  Json json;
  if (dataset_.labels_pixels()) {
    const auto colors = data::class_colors(dataset_.classes());
    for (std::size_t label = 0; label < colors.size(); ++label)
      json["colors"][dataset_.classes()[label]] = colors[label];
    json["order"] = {"input", "truth", "prediction"};
    json["pictures"] = Json::array();
    for (const std::int64_t index : added_) {
      Json picture = {{"file", picture_name(index)}};
      picture.update(image_to_json(report, dataset_, index));
      json["pictures"].push_back(std::move(picture));
    }
  } else {
    Json shown;
    json["file"] = write_channels(report, shown);
    json.update(shown);
  }
  write_text_file((fs::path(folder_) / "predictions.json").string(), json.dump(2) + "\n");
}

}  // namespace bsg::tools
