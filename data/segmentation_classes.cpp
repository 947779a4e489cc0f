#include "data/segmentation_classes.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "engine/core/error.hpp"

namespace bsg::data {
namespace {

const std::vector<std::string>& cityscapes_names() {
  static const std::vector<std::string> names = {
      "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation", "terrain",
      "sky",  "person",   "rider",    "car",  "truck", "bus",  "train",         "motorcycle",   "bicycle"};
  return names;
}

// Numbers 0, 1, ... are the labels.
PixelClasses numbered(std::vector<std::string> names, std::string source) {
  PixelClasses classes{std::move(names), {}, std::move(source)};
  classes.labels.fill(PixelClasses::kUndefined);
  for (std::size_t i = 0; i < classes.names.size(); ++i) classes.labels[i] = static_cast<std::uint8_t>(i);
  classes.labels[255] = LabelMap::kIgnored;
  return classes;
}

}  // namespace

PixelClasses camvid_classes() {
  PixelClasses classes = numbered(
      {"Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car", "Pedestrian", "Bicyclist"},
      "CamVid, for want of a classes.txt");
  classes.labels[11] = LabelMap::kIgnored;
  return classes;
}

PixelClasses cityscapes_train_ids() { return numbered(cityscapes_names(), "Cityscapes' labelTrainIds"); }

PixelClasses cityscapes_label_ids() {
  constexpr std::array<std::uint8_t, 19> kIds = {7,  8,  11, 12, 13, 17, 19, 20, 21, 22,
                                                 23, 24, 25, 26, 27, 28, 31, 32, 33};
  PixelClasses classes{cityscapes_names(), {}, "Cityscapes' labelIds"};
  classes.labels.fill(PixelClasses::kUndefined);
  std::fill_n(classes.labels.begin(), 34, LabelMap::kIgnored);
  for (std::size_t label = 0; label < kIds.size(); ++label) {
    classes.labels[kIds[label]] = static_cast<std::uint8_t>(label);
  }
  classes.labels[255] = LabelMap::kIgnored;
  return classes;
}

PixelClasses parse_pixel_classes(std::string_view text, const std::string& name_for_errors) {
  PixelClasses classes{{}, {}, name_for_errors};
  classes.labels.fill(PixelClasses::kUndefined);
  classes.labels[255] = LabelMap::kIgnored;
  std::set<std::string_view> seen;
  for (std::size_t number = 0; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view name = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (name.ends_with('\r')) name.remove_suffix(1);
    if (name.empty()) throw_error<DataError>("{}: line {} is empty", name_for_errors, number + 1);
    if (number > 255) throw_error<DataError>("{}: more than 256 lines, one for each number", name_for_errors);
    if (name == "ignored") {
      classes.labels[number] = LabelMap::kIgnored;
      continue;
    }
    if (number == 255) throw_error<DataError>("{}: 255 is no class, it is always ignored", name_for_errors);
    if (!seen.insert(name).second) throw_error<DataError>("{}: {} comes twice", name_for_errors, name);
    if (classes.names.size() == PixelClasses::kMaxClasses) {
      throw_error<DataError>("{}: more than {} classes", name_for_errors, PixelClasses::kMaxClasses);
    }
    classes.labels[number] = static_cast<std::uint8_t>(classes.names.size());
    classes.names.emplace_back(name);
  }
  if (classes.names.empty()) throw_error<DataError>("{}: names no class", name_for_errors);
  return classes;
}

void number_to_label(const PixelClasses& classes, LabelMap& annotation, const std::string& name_for_errors) {
  for (std::size_t i = 0; i < annotation.labels.size(); ++i) {
    const std::uint8_t number = annotation.labels[i], label = classes.labels[number];
    if (label == PixelClasses::kUndefined) {
      const auto width = static_cast<std::size_t>(annotation.width);
      throw_error<DataError>("{}: the pixel at row {}, column {} has the id {}, which is none of the {} classes of {}",
                             name_for_errors, i / width, i % width, number, classes.names.size(), classes.source);
    }
    annotation.labels[i] = label;
  }
}

}  // namespace bsg::data
