#include "data/class_frequencies.hpp"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/memory_dataset.hpp"
#include "engine/core/error.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;
using namespace bsg::data;

namespace {

MemoryDataset dataset_of(const std::vector<std::vector<std::uint8_t>>& annotations, std::size_t classes) {
  std::vector<Example> examples;
  for (const auto& labels : annotations) {
    const int width = static_cast<int>(labels.size());
    examples.push_back({.image = {1, width, std::vector<std::uint8_t>(3 * labels.size())},
                        .annotation = {labels.empty() ? 0 : 1, width, labels}});
  }
  return MemoryDataset(std::move(examples), std::vector<std::string>(classes, "c"),
                       [](std::int64_t i) { return "scene " + std::to_string(i); });
}

}  // namespace

TEST_CASE("class frequencies: pixels of a class, and of the images that show it") {
  const auto pixels = count_class_pixels(dataset_of({{0, 0, 0, 1}, {0, 255, 255, 255, 2, 2}, {0, 0}}, 4));
  CHECK(pixels.images == 3);
  CHECK(pixels.pixels == 12);
  CHECK(pixels.ignored == 3);
  CHECK(pixels.of_class == std::vector<std::int64_t>{6, 1, 2, 0});
  CHECK(pixels.of_images_with == std::vector<std::int64_t>{12, 4, 6, 0});
  CHECK(pixels.images_with == std::vector<std::int64_t>{3, 1, 1, 0});
  // Frequencies 1/2, 1/4, 1/3; their median is 1/3.
  const auto weights = median_frequency_weights(pixels);
  REQUIRE(weights.size() == 4);
  CHECK(weights[0] == Approx(2.0 / 3));
  CHECK(weights[1] == Approx(4.0 / 3));
  CHECK(weights[2] == Approx(1));
  CHECK(weights[3] == 0);
}

TEST_CASE("class frequencies: an even number of classes, none, no annotation") {
  // Frequencies 3/4 and 1/4.
  const auto weights = median_frequency_weights(count_class_pixels(dataset_of({{0, 0, 0, 1}}, 2)));
  CHECK(weights == std::vector<float>{static_cast<float>(0.5 / 0.75), 2});
  CHECK(median_frequency_weights(count_class_pixels(dataset_of({{255}}, 2))) == std::vector<float>{0, 0});
  CHECK_THROWS_AS(count_class_pixels(dataset_of({{0}, {}}, 2)), DataError);
  CHECK_THROWS_WITH(count_class_pixels(dataset_of({{0}, {}}, 2)), "scene 1: has no annotation");
}
