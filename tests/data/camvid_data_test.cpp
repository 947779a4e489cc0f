// The street scenes of CamVid: what is in the set, and that the whole chain to batches takes it.
#include <array>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "data/class_frequencies.hpp"
#include "data/loader.hpp"
#include "data/segmentation_transform.hpp"
#include "engine/core/context.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/real_data.hpp"

using namespace bsg;
using namespace bsg::data;

TEST_CASE("real data: CamVid has 367 and 101 scenes of 480 x 360 pixels, of eleven classes") {
  const std::string folder = bsg::test::camvid();
  if (folder.empty()) return;
  const auto train = open_dataset(folder, Split::train), test = open_dataset(folder, Split::test);
  CHECK(train->size() == 367);
  CHECK(test->size() == 101);
  CHECK(train->labels_pixels());
  CHECK(train->classes().size() == 11);
  for (const auto& dataset : {train, test}) {
    std::set<std::uint8_t> labels;
    for (std::int64_t i = 0; i < dataset->size(); ++i) {
      const Example example = dataset->get(i);
      const LabelMap& annotation = example.annotation;
      CHECK((example.image.width == 480 && example.image.height == 360));
      CHECK((annotation.width == 480 && annotation.height == 360));
      labels.insert(annotation.labels.begin(), annotation.labels.end());
    }
    CHECK(labels.size() == 12);
    CHECK(*labels.begin() == 0);
    CHECK(labels.contains(10));
    CHECK(*labels.rbegin() == LabelMap::kIgnored);
  }
}

TEST_CASE("real data: the pixels of CamVid's classes are as Pillow and NumPy count them") {
  const std::string folder = bsg::test::camvid();
  if (folder.empty()) return;
  const ClassPixels pixels = count_class_pixels(*open_dataset(folder, Split::train));
  CHECK(pixels.pixels == std::int64_t{367} * 480 * 360);
  CHECK(pixels.ignored == 2503995);
  CHECK(pixels.of_class == std::vector<std::int64_t>{10682767, 14750079, 623349, 20076880, 2845085, 6166762, 743859,
                                                     714595, 3719877, 405385, 184967});
  CHECK(pixels.images_with == std::vector<std::int64_t>{366, 365, 366, 367, 349, 319, 351, 173, 360, 317, 201});
  constexpr std::array kWeights = {0.2793, 0.2017, 4.7865, 0.149, 1.0, 0.4217, 3.8467, 1.9736, 0.7889, 6.3747, 8.8587};
  const auto weights = median_frequency_weights(pixels);
  REQUIRE(weights.size() == kWeights.size());
  for (std::size_t c = 0; c < weights.size(); ++c) CHECK(weights[c] == Approx(kWeights[c]).margin(6e-5));
}

TEST_CASE("real data: an epoch of CamVid in crops") {
  const std::string folder = bsg::test::camvid();
  if (folder.empty()) return;
  Context context;
  SegmentationTransformOptions options;
  options.height = options.width = 240;
  options.training = options.flip = true;
  options.scale_min = 0.5;
  options.scale_max = 2;
  const auto train = open_dataset(folder, Split::train);
  Loader loader(context, train, std::make_shared<SegmentationTransform>(options), {.batch = 8, .workers = 2});
  std::int64_t images = 0, labelled = 0, wrong = 0;
  loader.start(0);
  for (Batch batch; loader.next(batch);) {
    images += batch.images.shape()[0];
    for (const std::int64_t label : batch.labels.span<std::int64_t>()) {
      labelled += label >= 0 ? 1 : 0;
      wrong += label != kNoLabel && (label < 0 || label >= 11) ? 1 : 0;
    }
  }
  CHECK(images == 367);
  CHECK(wrong == 0);
  CHECK(labelled > 367 * 240 * 240 / 2);
}
