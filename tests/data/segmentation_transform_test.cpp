#include "data/segmentation_transform.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "data/loader.hpp"
#include "data/memory_dataset.hpp"
#include "engine/core/context.hpp"
#include "engine/core/error.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;
using namespace bsg::data;
using Catch::Matchers::Contains;

namespace {

// Pixels whose red is 10 times their label, green their row and blue their column.
Example example(int height, int width) {
  Example made{.image = {height, width, {}}, .annotation = {height, width, {}}, .difficulty = 0.25f};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const auto label = static_cast<std::uint8_t>((y / 4 * 3 + x / 4) % 10);
      made.annotation.labels.push_back(label);
      for (const int value : {10 * label, y, x}) made.image.pixels.push_back(static_cast<std::uint8_t>(value));
    }
  }
  return made;
}

std::shared_ptr<const Dataset> dataset_of(std::vector<Example> examples) {
  return std::make_shared<MemoryDataset>(std::move(examples), std::vector<std::string>(10, "class"),
                                         [](std::int64_t i) { return fmt::format("scene {}", i); });
}

// Grey levels, without normalisation but for the factor 255.
SegmentationTransformOptions plain(int height, int width) {
  return {.height = height, .width = width, .mean = {0, 0, 0}, .std = {1.0 / 255, 1.0 / 255, 1.0 / 255}};
}

struct Loaded {
  std::vector<float> image;
  std::vector<std::int64_t> labels;
};

Loaded load(const SegmentationTransform& transform, const Dataset& dataset, std::uint64_t seed) {
  const auto plane = static_cast<std::size_t>(transform.height()) * static_cast<std::size_t>(transform.width());
  Loaded loaded{std::vector<float>(3 * plane, NAN), std::vector<std::int64_t>(plane, -7)};
  Generator random(seed);
  CHECK(transform.load(dataset, 0, random, loaded.image.data(), loaded.labels.data()) == 0.25f);
  CHECK(random.position() <= transform.draws());
  return loaded;
}

}  // namespace

TEST_CASE("segmentation transform: evaluation takes image and labels as they are") {
  Example made = example(5, 7);
  made.annotation.labels[3] = LabelMap::kIgnored;
  const auto dataset = dataset_of({made});
  SegmentationTransformOptions options = plain(5, 7);
  options.scale_min = 0.5;  // of training
  options.flip = true;
  options.mean = {0.5, 0, 0};
  const SegmentationTransform transform(options);
  CHECK(transform.labels_pixels());
  const Loaded loaded = load(transform, *dataset, 1);
  for (std::size_t i = 0; i < 35; ++i) {
    CHECK(loaded.labels[i] == (i == 3 ? kNoLabel : made.annotation.labels[i]));
    for (std::size_t c = 0; c < 3; ++c) {
      CHECK(loaded.image[c * 35 + i] == Approx(made.image.pixels[3 * i + c] - (c == 0 ? 127.5 : 0)).margin(1e-4));
    }
  }
}

TEST_CASE("segmentation transform: crops and mirror images keep pixels and labels together") {
  const auto dataset = dataset_of({example(20, 30)});
  SegmentationTransformOptions options = plain(8, 9);
  options.training = options.flip = true;
  const SegmentationTransform transform(options);
  std::set<std::pair<float, float>> corners;
  int mirrored = 0;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    const Loaded loaded = load(transform, *dataset, seed);
    const float *red = loaded.image.data(), *row = red + 72, *column = row + 72;
    const bool mirror = column[0] > column[1];
    mirrored += mirror ? 1 : 0;
    corners.emplace(row[0], std::min(column[0], column[8]));
    bool together = true;
    for (int i = 0; i < 72; ++i) {
      const int step = mirror ? -(i % 9) : i % 9;
      together &= red[i] == 10.0f * static_cast<float>(loaded.labels[static_cast<std::size_t>(i)]);
      together &= row[i] == row[0] + static_cast<float>(i / 9) && column[i] == column[0] + static_cast<float>(step);
    }
    CHECK(together);
  }
  CHECK(mirrored > 150);
  CHECK(mirrored < 250);
  // Every place occurs: 13 x 22 of them.
  CHECK(corners.size() > 200);
  CHECK(corners.rbegin()->first == 12);
  CHECK(corners.begin()->first == 0);
}

TEST_CASE("segmentation transform: a crop that is larger has the mean colour and no labels around the image") {
  const auto dataset = dataset_of({example(4, 6)});
  SegmentationTransformOptions options = plain(7, 5);
  options.mean = {0.25, 0.5, 0.75};
  options.training = true;
  const SegmentationTransform transform(options);
  std::set<int> tops;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const Loaded loaded = load(transform, *dataset, seed);
    const auto first = std::find_if(loaded.labels.begin(), loaded.labels.end(), [](auto l) { return l != kNoLabel; });
    const auto at = first - loaded.labels.begin();
    REQUIRE(at % 5 == 0);
    const int top = static_cast<int>(at / 5);
    tops.insert(top);
    for (int i = 0; i < 35; ++i) {
      const bool inside = i / 5 >= top && i / 5 < top + 4;
      const auto place = static_cast<std::size_t>(i);
      CHECK((loaded.labels[place] != kNoLabel) == inside);
      if (inside) {
        CHECK(loaded.image[35 + place] + 127.5f == static_cast<float>(i / 5 - top));
      } else {
        for (std::size_t c = 0; c < 3; ++c) CHECK(loaded.image[c * 35 + place] == 0);
      }
    }
  }
  CHECK(tops == std::set<int>{0, 1, 2, 3});
}

TEST_CASE("segmentation transform: resized images are interpolated, their labels are not, and both stay aligned") {
  // A step: class 3 and dark on the left of column 20, class 9 and bright on the right.
  Example made{.image = {40, 40, {}}, .annotation = {40, 40, {}}, .difficulty = 0.25f};
  for (int i = 0; i < 1600; ++i) {
    const bool right = i % 40 >= 20;
    made.annotation.labels.push_back(right ? 9 : 3);
    made.image.pixels.insert(made.image.pixels.end(), 3, right ? 200 : 0);
  }
  const auto dataset = dataset_of({made});
  SegmentationTransformOptions options = plain(24, 24);
  options.training = options.flip = true;
  options.scale_min = 0.5;
  options.scale_max = 2;
  const SegmentationTransform transform(options);
  int steps = 0, between = 0, padded = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Loaded loaded = load(transform, *dataset, seed);
    padded += loaded.labels.front() == kNoLabel || loaded.labels.back() == kNoLabel ? 1 : 0;
    for (std::size_t y = 0; y < 24; ++y) {
      for (std::size_t x = 1; x < 24; ++x) {
        const std::int64_t label = loaded.labels[y * 24 + x], before = loaded.labels[y * 24 + x - 1];
        REQUIRE((label == 3 || label == 9 || label == kNoLabel));
        const float here = loaded.image[y * 24 + x], left = loaded.image[y * 24 + x - 1];
        if (label == before || label == kNoLabel || before == kNoLabel) continue;
        // The brightness passes 100 where the labels change: at the latest one pixel off in the picture of half size.
        ++steps;
        const float dark = label == 9 ? left : here, bright = label == 9 ? here : left;
        CHECK(dark <= 100.5f);
        CHECK(bright >= 99.5f);
        between += (dark > 0 || bright < 200) ? 1 : 0;
      }
    }
  }
  CHECK(steps > 1000);
  CHECK(between > 500);
  CHECK(padded > 5);
}

TEST_CASE("segmentation transform: the scale is drawn from its range") {
  // The row's number is the grey level: its rise from row to row is 1 / scale.
  const auto dataset = dataset_of({example(100, 100)});
  SegmentationTransformOptions options = plain(20, 20);
  options.training = true;
  options.scale_min = 0.5;
  options.scale_max = 2;
  const SegmentationTransform transform(options);
  std::vector<double> scales;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const Loaded loaded = load(transform, *dataset, seed);
    scales.push_back(16 / static_cast<double>(loaded.image[400 + 18 * 20] - loaded.image[400 + 2 * 20]));
  }
  std::sort(scales.begin(), scales.end());
  CHECK(scales.front() == Approx(0.5).margin(0.06));
  CHECK(scales[150] == Approx(1.25).margin(0.2));
  CHECK(scales.back() == Approx(2).margin(0.25));
}

TEST_CASE("segmentation transform: colour jitter changes what the crop shows of the image and nothing else") {
  // Scaled by 1, and by factors that resize; where the crop is larger than the image, and where it is smaller.
  const auto dataset = dataset_of({example(20, 30)});
  const auto check = [&](int height, int width, double scale_min, double scale_max) {
    SegmentationTransformOptions options = plain(height, width);
    options.mean = {0.25, 0.5, 0.75};
    options.training = options.flip = true;
    options.scale_min = scale_min;
    options.scale_max = scale_max;
    const SegmentationTransform without(options);
    options.color_jitter = {0.4, 0.4, 0.4};
    const SegmentationTransform with(options);
    CHECK(with.draws() == without.draws() + kColorJitterDraws);
    int changed = 0;
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
      const Loaded jittered = load(with, *dataset, seed), plain_one = load(without, *dataset, seed);
      CHECK(jittered.labels == plain_one.labels);
      CHECK(jittered.image == load(with, *dataset, seed).image);
      changed += jittered.image != plain_one.image ? 1 : 0;
      const std::size_t plane = jittered.labels.size();
      bool padding_kept = true;
      for (std::size_t i = 0; i < 3 * plane; ++i) {
        padding_kept &= jittered.labels[i % plane] != kNoLabel || jittered.image[i] == 0;
      }
      CHECK(padding_kept);
    }
    CHECK(changed > 25);
  };
  check(8, 9, 1, 1);
  check(28, 40, 1, 1);
  check(16, 24, 0.5, 2);
}

TEST_CASE("segmentation transform: jitter's contrast is about the mean grey of the crop") {
  // One colour within any crop of the left half, another on the right: there is nothing to spread, in either.
  Example made = example(8, 40);
  for (std::size_t i = 0; i < made.annotation.labels.size(); ++i) {
    std::fill_n(made.image.pixels.begin() + static_cast<std::ptrdiff_t>(3 * i), 3, i % 40 < 20 ? 40 : 200);
  }
  const auto dataset = dataset_of({made});
  SegmentationTransformOptions options = plain(8, 4);
  options.training = true;
  options.color_jitter.contrast = 1;
  const SegmentationTransform transform(options);
  int uniform = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const Loaded loaded = load(transform, *dataset, seed);
    const auto [low, high] = std::minmax_element(loaded.image.begin(), loaded.image.end());
    if (*low != *high) continue;
    ++uniform;
    CHECK((*low == Approx(40) || *low == Approx(200)));
  }
  CHECK(uniform > 25);
}

TEST_CASE("segmentation transform: no jitter in evaluation, none of strength 0") {
  const auto dataset = dataset_of({example(8, 9)});
  SegmentationTransformOptions options = plain(8, 9);
  const Loaded as_it_is = load(SegmentationTransform(options), *dataset, 1);
  options.color_jitter = {1, 1, 1};
  CHECK(load(SegmentationTransform(options), *dataset, 1).image == as_it_is.image);
  options.training = true;
  CHECK(load(SegmentationTransform(options), *dataset, 1).image != as_it_is.image);
  options.color_jitter = {0, 0, 0};
  const SegmentationTransform none(options);
  CHECK(load(none, *dataset, 1).image == as_it_is.image);
  CHECK(none.draws() == SegmentationTransform(plain(8, 9)).draws());
}

TEST_CASE("segmentation transform: what does not fit is named") {
  const auto reject = [](const Example& made, bool training, const std::string& message) {
    SegmentationTransformOptions options = plain(4, 6);
    options.training = training;
    const SegmentationTransform transform(options);
    const auto dataset = dataset_of({made});
    std::vector<float> image(72);
    std::vector<std::int64_t> labels(24);
    Generator random;
    CHECK_THROWS_AS(transform.load(*dataset, 0, random, image.data(), labels.data()), DataError);
    CHECK_THROWS_WITH(transform.load(*dataset, 0, random, image.data(), labels.data()), message);
  };
  reject(example(6, 4), false, "scene 0: has 4 x 6 pixels, the network takes 6 x 4");
  Example made = example(4, 6);
  made.annotation = {};
  reject(made, true, "scene 0: has no annotation");
  made.annotation = {6, 4, std::vector<std::uint8_t>(24, 0)};
  reject(made, true, "scene 0: has 6 x 4 pixels, its annotation 4 x 6");

  const auto refuse = [](auto change, const std::string& message) {
    SegmentationTransformOptions options = plain(4, 6);
    change(options);
    CHECK_THROWS_AS(SegmentationTransform(options), ConfigError);
    CHECK_THROWS_WITH(SegmentationTransform(options), Contains(message));
  };
  refuse([](auto& o) { o.height = 0; }, "image size 0 x 6");
  refuse([](auto& o) { o.scale_min = 0; }, "scale_min is 0 and scale_max 1");
  refuse([](auto& o) { o.scale_max = 0.5; }, "scale_min is 1 and scale_max 0.5");
  refuse([](auto& o) { o.scale_max = NAN; }, "scale_max nan");
  refuse([](auto& o) { o.color_jitter.saturation = 1.5; }, "color_jitter.saturation is 1.5, expected 0 to 1");
  refuse([](auto& o) { o.std[1] = 0; }, "channel 1 has mean 0 and std 0");
}

TEST_CASE("segmentation transform: batches depend on seed, epoch and number, not on the threads") {
  Context context;
  std::vector<Example> examples;
  for (int i = 0; i < 13; ++i) examples.push_back(example(20 + i, 30 - i));
  const auto dataset = dataset_of(std::move(examples));
  SegmentationTransformOptions options = plain(16, 12);
  options.training = options.flip = true;
  options.scale_min = 0.5;
  options.scale_max = 2;
  const auto transform = std::make_shared<SegmentationTransform>(options);
  const auto batches = [&](int workers) {
    Loader loader(context, dataset, transform, {.batch = 4, .shuffle = true, .seed = 3, .workers = workers});
    std::vector<Batch> all;
    loader.start(1);
    for (Batch batch; loader.next(batch);) all.push_back(batch);
    return all;
  };
  const auto one = batches(1), three = batches(3);
  REQUIRE(one.size() == 4);
  REQUIRE(three.size() == 4);
  CHECK(one[0].labels.shape() == Shape{4, 16, 12});
  CHECK(one[3].labels.shape() == Shape{1, 16, 12});
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(one[i].indices == three[i].indices);
    CHECK(std::memcmp(one[i].images.raw(), three[i].images.raw(), one[i].images.bytes()) == 0);
    CHECK(std::memcmp(one[i].labels.raw(), three[i].labels.raw(), one[i].labels.bytes()) == 0);
  }
}
