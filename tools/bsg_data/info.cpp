#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "data/parallel.hpp"
#include "engine/core/error.hpp"
#include "tools/bsg_data/commands.hpp"

namespace bsg::tools {
namespace {

using data::Layout;
using nlohmann::ordered_json;

// Of one split. Sums of integers: the same for every order of the images.
struct Summary {
  bool of_pixels = false;  // whether pixels have classes, not images
  std::int64_t images = 0, ignored_pixels = 0;
  std::vector<std::int64_t> per_class;  // images or pixels
  int min_height = std::numeric_limits<int>::max(), max_height = 0;
  int min_width = std::numeric_limits<int>::max(), max_width = 0;
  std::uint64_t pixels = 0;
  std::array<std::uint64_t, 3> sum{}, sum_of_squares{};
  std::vector<double> difficulties;                // the known ones, ascending
  std::map<std::int64_t, std::string> unreadable;  // what is wrong, by example

  // In 0..1.
  double mean(std::size_t c) const { return static_cast<double>(sum[c]) / static_cast<double>(pixels) / 255; }
  double deviation(std::size_t c) const {
    const double square = static_cast<double>(sum_of_squares[c]) / static_cast<double>(pixels) / (255.0 * 255.0);
    return std::sqrt(std::max(0.0, square - mean(c) * mean(c)));
  }
  std::string sizes() const {
    if (images == 0) return "unknown";
    const auto range = [](int low, int high) {
      return low == high ? fmt::format("{}", low) : fmt::format("{}..{}", low, high);
    };
    return range(min_width, max_width) + " x " + range(min_height, max_height);
  }
  double mean_difficulty() const {
    double all = 0;
    for (const double difficulty : difficulties) all += difficulty;
    return all / static_cast<double>(difficulties.size());
  }
};

Summary summarize(const data::Dataset& dataset) {
  Summary all;
  all.of_pixels = dataset.labels_pixels();
  all.per_class.resize(dataset.classes().size());
  std::mutex mutex;
  data::for_each_index(dataset.size(), [&](std::int64_t i) {
    data::Example example;
    try {
      example = dataset.get(i);
    } catch (const DataError& error) {
      const std::lock_guard lock(mutex);
      all.unreadable.emplace(i, error.what());
      return;
    }
    std::array<std::uint64_t, 3> sum{}, sum_of_squares{};
    for (std::size_t k = 0; k < example.image.pixels.size(); ++k) {
      const std::uint64_t value = example.image.pixels[k];
      sum[k % 3] += value;
      sum_of_squares[k % 3] += value * value;
    }
    std::array<std::int64_t, 256> labels{};
    for (const std::uint8_t label : example.annotation.labels) ++labels[label];
    const std::lock_guard lock(mutex);
    if (all.of_pixels) {
      for (std::size_t k = 0; k < all.per_class.size(); ++k) all.per_class[k] += labels[k];
      all.ignored_pixels += labels[data::LabelMap::kIgnored];
    } else {
      ++all.per_class[static_cast<std::size_t>(example.label)];
    }
    all.min_height = std::min(all.min_height, example.image.height);
    all.max_height = std::max(all.max_height, example.image.height);
    all.min_width = std::min(all.min_width, example.image.width);
    all.max_width = std::max(all.max_width, example.image.width);
    all.pixels += example.image.pixels.size() / 3;
    for (std::size_t c = 0; c < 3; ++c) {
      all.sum[c] += sum[c];
      all.sum_of_squares[c] += sum_of_squares[c];
    }
    if (!std::isnan(example.difficulty)) all.difficulties.push_back(example.difficulty);
  });
  all.images = dataset.size() - static_cast<std::int64_t>(all.unreadable.size());
  std::sort(all.difficulties.begin(), all.difficulties.end());
  return all;
}

std::string name_of(Layout layout) {
  switch (layout) {
    case Layout::synthetic:
      return "synthetic";
    case Layout::cifar10:
      return "cifar10";
    case Layout::annotated_folders:
      return "annotated_folders";
    case Layout::cityscapes:
      return "cityscapes";
    case Layout::image_folders:
      break;
  }
  return "image_folders";
}

ordered_json json_of(const Summary& summary) {
  ordered_json split = {
      {"images", summary.images},
      {summary.of_pixels ? "pixels_per_class" : "images_per_class", summary.per_class},
      {"width", {summary.min_width, summary.max_width}},
      {"height", {summary.min_height, summary.max_height}},
      {"mean", {summary.mean(0), summary.mean(1), summary.mean(2)}},
      {"std", {summary.deviation(0), summary.deviation(1), summary.deviation(2)}},
      {"difficulty", nullptr},
      {"unreadable", ordered_json::array()},
  };
  if (summary.of_pixels) split["pixels_ignored"] = summary.ignored_pixels;
  for (const auto& [example, message] : summary.unreadable) split["unreadable"].push_back(message);
  if (summary.images == 0) split["width"] = split["height"] = nullptr;
  if (!summary.difficulties.empty()) {
    split["difficulty"] = {{"images", summary.difficulties.size()},
                           {"min", summary.difficulties.front()},
                           {"mean", summary.mean_difficulty()},
                           {"max", summary.difficulties.back()}};
  }
  return split;
}

void print_row(const std::string& name, const std::string& train, const std::string& test) {
  fmt::print("{:<14} {:>24} {:>24}\n", name, train, test);
}

std::string colors(const Summary& summary, double (Summary::*value)(std::size_t) const) {
  if (summary.images == 0) return "unknown";
  return fmt::format("{:.4f}, {:.4f}, {:.4f}", (summary.*value)(0), (summary.*value)(1), (summary.*value)(2));
}

// How many images, or which share of the pixels.
std::string occurrence(const Summary& summary, std::int64_t count) {
  if (!summary.of_pixels) return fmt::format("{}", count);
  return fmt::format("{:.3f} %", 100 * static_cast<double>(count) / static_cast<double>(summary.pixels));
}

std::string difficulties(const Summary& summary) {
  if (summary.difficulties.empty()) return "unknown";
  return fmt::format("{:.3f}..{:.3f}, mean {:.3f}", summary.difficulties.front(), summary.difficulties.back(),
                     summary.mean_difficulty());
}

}  // namespace

void print_info(const InfoOptions& options) {
  const data::Location location = data::locate_dataset(options.data);
  std::vector<std::string> classes;
  const auto read = [&](data::Split split) {
    data::OpenOptions open = options.open;
    open.skip_unreadable = true;
    const auto dataset = data::open_dataset(options.data, split, open);
    classes = dataset->classes();
    return summarize(*dataset);
  };
  const Summary train = read(data::Split::train), test = read(data::Split::test);
  if (options.json) {
    const ordered_json info = {{"layout", name_of(location.layout)},
                               {"folder", location.folder},
                               {"classes", classes},
                               {"splits", {{"train", json_of(train)}, {"test", json_of(test)}}}};
    fmt::print("{}\n", info.dump(2, ' ', false, ordered_json::error_handler_t::replace));
    return;
  }
  fmt::print("{}: {}, {} classes\n\n", location.folder, name_of(location.layout), classes.size());
  print_row("", "train", "test");
  for (std::size_t i = 0; i < classes.size(); ++i) {
    print_row(classes[i], occurrence(train, train.per_class[i]), occurrence(test, test.per_class[i]));
  }
  if (train.of_pixels) {
    print_row("no class", occurrence(train, train.ignored_pixels), occurrence(test, test.ignored_pixels));
  }
  print_row("images", fmt::format("{}", train.images), fmt::format("{}", test.images));
  print_row("width x height", train.sizes(), test.sizes());
  print_row("mean r, g, b", colors(train, &Summary::mean), colors(test, &Summary::mean));
  print_row("std r, g, b", colors(train, &Summary::deviation), colors(test, &Summary::deviation));
  print_row("difficulty", difficulties(train), difficulties(test));
  if (train.unreadable.empty() && test.unreadable.empty()) return;
  print_row("unreadable", fmt::format("{}", train.unreadable.size()), fmt::format("{}", test.unreadable.size()));
  fmt::print("\n");
  for (const Summary* split : {&train, &test}) {
    for (const auto& [example, message] : split->unreadable) fmt::print("{}\n", message);
  }
}

}  // namespace bsg::tools
