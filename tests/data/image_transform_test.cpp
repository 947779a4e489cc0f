#include "data/image_transform.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "data/resize.hpp"
#include "engine/core/error.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;
using namespace bsg::data;

namespace {

// One value for each pixel, in all channels.
Image grey(int height, int width, const std::vector<int>& values) {
  Image image{height, width, {}};
  for (const int value : values) image.pixels.insert(image.pixels.end(), 3, static_cast<std::uint8_t>(value));
  return image;
}

std::vector<int> reds(const Image& image) {
  std::vector<int> values;
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) values.push_back(image.pixels[i]);
  return values;
}

// The transformed red channel as values of 0..255 again.
std::vector<int> applied(const ImageTransformOptions& options, const Image& image, std::uint64_t seed) {
  std::vector<float> out(static_cast<std::size_t>(3 * options.height * options.width));
  Generator random(seed);
  ImageTransform(options).apply(image, random, out.data());
  CHECK(random.position() <= ImageTransform(options).draws());
  std::vector<int> values;
  for (std::size_t i = 0; i < out.size() / 3; ++i) values.push_back(static_cast<int>(out[i] * 255 + 0.5f));
  return values;
}

ImageTransformOptions size(int height, int width) {
  ImageTransformOptions options;
  options.height = height;
  options.width = width;
  options.mean = {0, 0, 0};
  options.std = {1, 1, 1};
  return options;
}

}  // namespace

TEST_CASE("transform: normalises each channel, planes after one another") {
  ImageTransformOptions options = size(1, 2);
  options.mean = {0.5, 0.25, 0};
  options.std = {0.5, 0.25, 2};
  const Image image = {1, 2, {0, 51, 102, 153, 204, 255}};
  std::vector<float> out(6);
  Generator random;
  ImageTransform(options).apply(image, random, out.data());
  const std::vector<double> expected = {-1, 0.2, -0.2, 2.2, 0.2, 0.5};
  for (std::size_t i = 0; i < 6; ++i) CHECK(out[i] == Approx(expected[i]).epsilon(1e-6));
  CHECK(random.position() == 0);
}

TEST_CASE("transform: crops take every place around the image alike, black outside") {
  ImageTransformOptions options = size(2, 3);
  options.crop_padding = 1;
  const std::vector<int> values = {10, 20, 30, 40, 50, 60};
  // Where (shift_y, shift_x) put the crop.
  std::map<std::vector<int>, std::pair<int, int>> places;
  for (int dy = -1; dy <= 1; ++dy) {
    for (int dx = -1; dx <= 1; ++dx) {
      std::vector<int> crop;
      for (int y = dy; y < dy + 2; ++y) {
        for (int x = dx; x < dx + 3; ++x) {
          const bool on_image = y >= 0 && y < 2 && x >= 0 && x < 3;
          crop.push_back(on_image ? values[static_cast<std::size_t>(y * 3 + x)] : 0);
        }
      }
      places[crop] = {dy, dx};
    }
  }
  std::map<std::pair<int, int>, int> counts;
  for (std::uint64_t seed = 0; seed < 900; ++seed) {
    const auto crop = applied(options, grey(2, 3, values), seed);
    REQUIRE(places.contains(crop));
    ++counts[places[crop]];
  }
  CHECK(counts.size() == 9);
  for (const auto& [place, count] : counts) CHECK(std::abs(count - 100) < 45);
}

TEST_CASE("transform: a padding larger than the image may leave nothing of it") {
  ImageTransformOptions options = size(1, 2);
  options.crop_padding = 5;
  options.flip = true;
  std::set<std::vector<int>> crops;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) crops.insert(applied(options, grey(1, 2, {1, 2}), seed));
  CHECK(crops == std::set<std::vector<int>>{{0, 0}, {1, 0}, {2, 0}, {0, 1}, {0, 2}, {1, 2}, {2, 1}});
}

TEST_CASE("transform: half of the images are mirrored") {
  ImageTransformOptions options = size(2, 2);
  options.flip = true;
  int mirrored = 0;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    const auto out = applied(options, grey(2, 2, {1, 2, 3, 4}), seed);
    const bool is_mirrored = out == std::vector<int>{2, 1, 4, 3};
    CHECK((is_mirrored || out == std::vector<int>{1, 2, 3, 4}));
    mirrored += is_mirrored ? 1 : 0;
  }
  CHECK(std::abs(mirrored - 200) < 50);
}

TEST_CASE("transform: resize, then the middle") {
  ImageTransformOptions options = size(2, 2);
  options.resize = 4;
  std::vector<int> values;
  for (int i = 0; i < 32; ++i) values.push_back(4 * i);
  const Image image = grey(4, 8, values);
  CHECK(applied(options, image, 1) == std::vector<int>{4 * 11, 4 * 12, 4 * 19, 4 * 20});
  options.resize = 2;
  CHECK(applied(options, image, 1) == reds(resize_and_crop(image, 2, 2)));
  // Also an image of the network's size.
  options.resize = 4;
  CHECK(applied(options, grey(2, 2, {0, 100, 0, 100}), 1) == std::vector<int>{25, 75, 25, 75});
}

TEST_CASE("transform: random boxes have the areas, shapes and places that they should") {
  // A data set that only notes what is asked for.
  struct Notebook : Dataset {
    explicit Notebook(ImageSize image) : whole(image) {}
    std::int64_t size() const override { return 1; }
    Example get(std::int64_t) const override { return {}; }
    FramedExample get_framed(std::int64_t, const FrameChoice& choose) const override {
      boxes.push_back(choose(whole).box);
      return {{.image = {1, 1, {0, 0, 0}}}, {0, 0, 1, 1}};
    }
    std::string source(std::int64_t) const override { return ""; }
    const std::vector<std::string>& classes() const override { return names; }
    ImageSize whole;
    std::vector<std::string> names;
    mutable std::vector<Box> boxes;
  };
  ImageTransformOptions options = size(4, 4);
  options.random_resized_crop = true;
  options.crop_scale_min = 0.2;
  const ImageTransform transform(options);
  const auto boxes_of = [&](ImageSize image, std::uint64_t count) {
    Notebook notebook(image);
    std::vector<float> out(48);
    std::int64_t label = 0;
    for (std::uint64_t seed = 0; seed < count; ++seed) {
      Generator random(seed);
      transform.load(notebook, 0, random, out.data(), &label);
      CHECK(random.position() <= transform.draws());
    }
    return notebook.boxes;
  };
  double least = 1, most = 0, narrowest = 9, widest = 0, shares = 0, left = 0;
  for (const Box& box : boxes_of({600, 800}, 2000)) {
    REQUIRE((box.top >= 0 && box.left >= 0 && box.top + box.height <= 600 && box.left + box.width <= 800));
    const double share = box.height * box.width / 480000;
    least = std::min(least, share);
    most = std::max(most, share);
    shares += share / 2000;
    narrowest = std::min(narrowest, box.width / box.height);
    widest = std::max(widest, box.width / box.height);
    if (box.width < 800) left += box.left / (800 - box.width) / 2000;
  }
  CHECK(least == Approx(0.2).epsilon(0.02));
  CHECK(most > 0.95);
  CHECK(shares == Approx(0.495).epsilon(0.03));  // 0.6, less what does not fit
  CHECK(narrowest == Approx(0.75).epsilon(0.01));
  CHECK(widest == Approx(4.0 / 3).epsilon(0.01));
  CHECK(left == Approx(0.5).epsilon(0.05));
  // No box fits: the middle, in the nearest shape.
  const Box wide = boxes_of({10, 1000}, 1)[0], tall = boxes_of({1000, 10}, 1)[0];
  CHECK((wide.top == 0 && wide.height == 10 && wide.left == 493 && wide.width == 13));
  CHECK((tall.left == 0 && tall.width == 10 && tall.top == 493 && tall.height == 13));
}

TEST_CASE("transform: augmentation draws at the places that CIFAR's always had") {
  ImageTransformOptions options = size(2, 2);
  options.crop_padding = 1;
  options.flip = true;
  CHECK(ImageTransform(options).draws() == 8);
  std::vector<float> out(12);
  Generator random(1);
  ImageTransform(options).apply(grey(2, 2, {1, 2, 3, 4}), random, out.data());
  CHECK(random.position() == 6);
}

TEST_CASE("jitter: each property alone") {
  const Image image = {1, 2, {100, 50, 20, 10, 250, 0}};
  const double grey0 = 0.299 * 100 + 0.587 * 50 + 0.114 * 20, grey1 = 0.299 * 10 + 0.587 * 250;
  const auto spread = [](double grey, double factor, int value) {
    return static_cast<int>(std::clamp(grey + factor * (value - grey) + 0.5, 0.0, 255.0));
  };
  double least = 2, most = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const auto jittered = [&](const ColorJitter& jitter) {
      Image out = image;
      Generator random(seed);
      jitter_colors(out, jitter, random);
      CHECK(random.position() <= kColorJitterDraws);
      return out;
    };
    Generator random(seed, 0);
    random.set_position(4);  // the order comes first
    const double factor = 1 + 0.4 * (2 * random.uniform() - 1);
    least = std::min(least, factor);
    most = std::max(most, factor);
    const Image brightness = jittered({.brightness = 0.4}), contrast = jittered({.contrast = 0.4}),
                saturation = jittered({.saturation = 0.4});
    int wrong = 0;
    for (std::size_t i = 0; i < 6; ++i) {
      const int value = image.pixels[i];
      wrong += std::abs(brightness.pixels[i] - spread(0, factor, value)) > 1;
      wrong += std::abs(contrast.pixels[i] - spread((grey0 + grey1) / 2, factor, value)) > 1;
      wrong += std::abs(saturation.pixels[i] - spread(i < 3 ? grey0 : grey1, factor, value)) > 1;
    }
    CHECK(wrong == 0);
  }
  CHECK((least < 0.62 && most > 1.38));
}

TEST_CASE("jitter: all together, in every order; none draws nothing") {
  const Image image = {1, 2, {100, 50, 20, 10, 250, 0}};
  std::set<std::vector<int>> results;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Image out = image;
    Generator random(seed);
    jitter_colors(out, {1, 1, 1}, random);
    CHECK(random.position() == kColorJitterDraws);
    results.insert({out.pixels.begin(), out.pixels.end()});
  }
  CHECK(results.size() > 30);
  Image out = image;
  Generator random;
  jitter_colors(out, {}, random);
  CHECK(random.position() == 0);
  CHECK(out.pixels == image.pixels);
}

TEST_CASE("transform: options out of their range are refused") {
  const auto check_refused = [](auto change) {
    ImageTransformOptions options = size(8, 10);
    change(options);
    CHECK_THROWS_AS(ImageTransform(options), ConfigError);
  };
  using Options = ImageTransformOptions;
  check_refused([](Options& o) { o.resize = 9; });
  check_refused([](Options& o) { o.resize = -1; });
  check_refused([](Options& o) { o.crop_scale_min = 0; });
  check_refused([](Options& o) { o.crop_scale_min = 1.5; });
  check_refused([](Options& o) { o.color_jitter.saturation = -0.1; });
  check_refused([](Options& o) { o.color_jitter.contrast = std::nan(""); });
  check_refused([](Options& o) {
    o.random_resized_crop = true;
    o.crop_padding = 4;
  });
}

TEST_CASE("resize: enlarging interpolates between the centres of pixels") {
  CHECK(reds(resize_and_crop(grey(2, 2, {0, 100, 0, 100}), 4, 4)) ==
        std::vector<int>{0, 25, 75, 100, 0, 25, 75, 100, 0, 25, 75, 100, 0, 25, 75, 100});
  CHECK(reds(resize_and_crop(grey(1, 1, {93}), 3, 2)) == std::vector<int>(6, 93));
}

TEST_CASE("resize: shrinking weighs every pixel by a triangle as wide as two pixels of the result") {
  // To half: weights 1, 3, 3, 1 (over 8), at the border 3, 3, 1 (over 7).
  const Image row = grey(8, 8, [] {
    std::vector<int> values;
    for (int y = 0; y < 8; ++y) values.insert(values.end(), {0, 80, 160, 240, 0, 0, 0, 200});
    return values;
  }());
  CHECK(reds(resize_and_crop(row, 4, 4))[0] == 57);   // (3*0 + 3*80 + 160) / 7
  CHECK(reds(resize_and_crop(row, 4, 4))[1] == 160);  // (80 + 3*160 + 3*240 + 0) / 8
  CHECK(reds(resize_and_crop(row, 4, 4))[2] == 30);   // (240 + 0 + 0 + 0) / 8
  CHECK(reds(resize_and_crop(row, 4, 4))[3] == 86);   // (0 + 3*0 + 3*200) / 7
  // Down, the same image turned.
  Image turned{8, 8, {}};
  for (int y = 0; y < 8; ++y) {
    for (int x = 0; x < 8; ++x) {
      turned.pixels.insert(turned.pixels.end(), 3, row.pixels[static_cast<std::size_t>(y * 3)]);
    }
  }
  CHECK(reds(resize_and_crop(turned, 4, 4))[4] == 160);
}

TEST_CASE("resize: the middle is kept, the shorter side decides") {
  CHECK(reds(resize_and_crop(grey(1, 6, {1, 2, 3, 4, 5, 6}), 1, 2)) == std::vector<int>{3, 4});
  CHECK(reds(resize_and_crop(grey(6, 1, {1, 2, 3, 4, 5, 6}), 2, 1)) == std::vector<int>{3, 4});
  CHECK(reds(resize_and_crop(grey(2, 2, {1, 2, 3, 4}), 2, 2)) == std::vector<int>{1, 2, 3, 4});
  // The width fits as it is.
  CHECK(reds(resize_and_crop(grey(4, 2, {1, 1, 50, 50, 90, 90, 9, 9}), 2, 2)) == std::vector<int>{50, 50, 90, 90});
}

TEST_CASE("resize: thin images of any length") {
  // The crop shows the one pixel's width around the step in the middle: 1/64 and 63/64 of the way from 10 to 200.
  std::vector<int> values(65000);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = i < 32500 ? 10 : 200;
  const auto wide = reds(resize_and_crop(grey(1, 65000, values), 32, 32));
  const auto tall = reds(resize_and_crop(grey(65000, 1, values), 32, 32));
  int unexpected = 0;
  for (std::size_t i = 0; i < 32; ++i) {
    unexpected += wide[i * 32] != 13 || wide[i * 32 + 31] != 197 || tall[i] != 13 || tall[31 * 32 + i] != 197;
  }
  CHECK(unexpected == 0);
}
