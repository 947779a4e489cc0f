#include "data/image_transform.hpp"

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "data/resize.hpp"
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
