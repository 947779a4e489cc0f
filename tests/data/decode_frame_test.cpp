// Decoding a part of an image, at a reduced scale.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <span>
#include <string>

#include "data/decode.hpp"
#include "data/resize.hpp"
#include "engine/core/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/image_files.hpp"

using namespace bsg;
using namespace bsg::data;
using bsg::test::encode_jpeg;
using bsg::test::encode_png;
using bsg::test::exif;
using bsg::test::JpegOptions;
using bsg::test::Pixels;
using Catch::Matchers::Contains;

namespace {

Excerpt decode(const std::string& file, const Frame& frame) {
  return decode_image(std::as_bytes(std::span(file)), "f.img", [&](ImageSize) { return frame; });
}

Image decode(const std::string& file) { return decode_image(std::as_bytes(std::span(file)), "f.img"); }

// Smooth, but not at the scale of pixels.
Pixels scene(int height, int width, int channels = 3) {
  Pixels pixels{height, width, channels, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c) {
        const double wave = 100 * std::sin(0.02 * x + 0.03 * y + c);
        pixels.values.push_back(static_cast<std::uint8_t>(128 + wave));
      }
    }
  }
  return pixels;
}

// Of the framed part of the whole image and of the excerpt, both resized: the largest and the mean difference.
struct Difference {
  int largest = 0;
  double mean = 0;
};
Difference difference(const std::string& file, const Frame& frame) {
  const Excerpt excerpt = decode(file, frame);
  const Image a = resize_box(decode(file), frame.box, frame.height, frame.width);
  const Image b = resize_box(excerpt.image, excerpt.box, frame.height, frame.width);
  Difference found;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) {
    const int one = std::abs(a.pixels[i] - b.pixels[i]);
    found.largest = std::max(found.largest, one);
    found.mean += static_cast<double>(one) / static_cast<double>(a.pixels.size());
  }
  return found;
}

// Of every kind that is decoded in a way of its own.
std::vector<JpegOptions> kinds() {
  std::vector<JpegOptions> kinds;
  for (const bool progressive : {false, true}) {
    for (const int width : {1, 2, 4}) {
      for (const int height : {1, 2}) {
        kinds.push_back({.progressive = progressive, .chroma_width = width, .chroma_height = height});
      }
    }
  }
  return kinds;
}

}  // namespace

TEST_CASE("frame: at full scale, a part has the very pixels of the whole") {
  const Pixels rgb = scene(211, 307);
  for (JpegOptions kind : kinds()) {
    for (const int orientation : {1, 6, 7}) {
      kind.app1 = exif(orientation);
      const std::string file = encode_jpeg(rgb, kind);
      for (const Box& box : {Box{0, 0, 60, 50}, Box{93.5, 40.25, 31, 17}, Box{100, 111, 64, 64}, Box{111, 100, 96, 111},
                             Box{0, 0, 200, 200}, Box{160, 2, 1, 1}, Box{4, 160, 0.5, 0.25}}) {
        INFO(kind.chroma_width << " x " << kind.chroma_height << (kind.progressive ? ", progressive, " : ", ")
                               << orientation << ": " << box.top << ", " << box.left);
        CHECK(difference(file, {box, 110, 105}).largest == 0);
      }
    }
  }
  for (const int channels : {1, 4}) {
    const std::string file = encode_jpeg(scene(211, 307, channels));
    CHECK(difference(file, {{93.5, 140.25, 31, 17}, 40, 32}).largest == 0);
  }
  const std::string png = encode_png(rgb);
  CHECK(difference(png, {{93.5, 140.25, 31, 17}, 40, 32}).largest == 0);
}

TEST_CASE("frame: only what is needed is decoded") {
  const std::string file = encode_jpeg(scene(256, 512));
  // Columns in whole blocks.
  const Excerpt part = decode(file, {{100, 200, 30, 40}, 30, 40});
  CHECK(part.image.height == 30);
  CHECK(part.image.width <= 40 + 16);
  CHECK(part.box.top == 0);
  // At a scale that is still as large as the result.
  const auto whole_at = [&](int height, int width) {
    return decode(file, {{0, 0, 256, 512}, height, width}).image.width;
  };
  CHECK(whole_at(129, 200) == 512);
  CHECK(whole_at(128, 257) == 512);
  CHECK(whole_at(128, 256) == 256);
  CHECK(whole_at(65, 128) == 256);
  CHECK(whole_at(64, 128) == 128);
  CHECK(whole_at(32, 64) == 64);
  CHECK(whole_at(1, 1) == 64);
  // PNG is decoded whole.
  CHECK(decode(encode_png(scene(32, 64)), {{10, 10, 5, 5}, 5, 5}).image.width == 64);
}

TEST_CASE("frame: at a reduced scale, what is resized is nearly the same, whatever is left out") {
  const Pixels rgb = scene(411, 507);
  for (JpegOptions kind : kinds()) {
    for (const int orientation : {1, 8}) {
      kind.app1 = exif(orientation);
      const std::string file = encode_jpeg(rgb, kind);
      const bool halved_across = kind.chroma_width == 2 && kind.chroma_height == 1;
      const int largest = kind.chroma_width == kind.chroma_height ? 8 : halved_across ? 4 : 1;
      for (const int divisor : {2, 4, 8}) {
        INFO(kind.chroma_width << " x " << kind.chroma_height << (kind.progressive ? ", progressive, " : ", ")
                               << orientation << ", 1/" << divisor);
        for (const Box& box : {Box{0, 0, 400, 400}, Box{37.5, 50.25, 333, 321}, Box{90, 91, 320, 320}}) {
          const double side = 320.0 / divisor;
          const Frame frame{box, static_cast<int>(side), static_cast<int>(side)};
          REQUIRE(decode(file, frame).box.height == Approx(box.height / std::min(divisor, largest)));
          CHECK(difference(file, frame).mean < 1.0);
        }
      }
    }
  }
}

TEST_CASE("frame: a file that ends early is an error, also below what is asked for") {
  for (const bool progressive : {false, true}) {
    const std::string file = encode_jpeg(scene(64, 64), {.progressive = progressive});
    const Frame top{{0, 0, 8, 64}, 8, 64};
    CHECK(decode(file, top).image.height == 8);
    for (std::size_t size = 0; size < file.size(); ++size) {
      INFO(size << " of " << file.size() << " bytes");
      CHECK_THROWS_AS(decode(file.substr(0, size), top), DataError);
    }
    CHECK_THROWS_WITH(decode(file.substr(0, file.size() - 2), top), Contains("f.img: bad JPEG image: Premature end"));
  }
}

TEST_CASE("frame: one without pixels or outside of the image is refused") {
  for (const std::string& file : {encode_jpeg(scene(20, 30)), encode_png(scene(20, 30))}) {
    const auto check_refused = [&](const Frame& frame) { CHECK_THROWS_AS(decode(file, frame), ShapeError); };
    CHECK_NOTHROW(decode(file, {{0, 0, 20, 30}, 10, 10}));
    check_refused({{0, 0, 20, 30}, 0, 10});
    check_refused({{0, 0, 20, 30}, 10, -1});
    check_refused({{0, 0, 0, 30}, 10, 10});
    check_refused({{0, 0, 20, -1}, 10, 10});
    check_refused({{0, 0, 30, 20}, 10, 10});
    check_refused({{-1, 0, 20, 30}, 10, 10});
    check_refused({{0, 25, 20, 10}, 10, 10});
    check_refused({{0, std::numeric_limits<double>::quiet_NaN(), 20, 30}, 10, 10});
    check_refused({{0, 0, std::numeric_limits<double>::infinity(), 30}, 10, 10});
    CHECK_THROWS_WITH(decode(file, {{0, 25, 20, 10}, 10, 12}),
                      "f.img: a box of 10 x 20 pixels at (25, 0) of 30 x 20, resized to 12 x 10");
  }
}

TEST_CASE("frame: one pixel") {
  for (const std::string& file : {encode_jpeg({1, 1, 3, {200, 100, 50}}), encode_png({1, 1, 3, {200, 100, 50}})}) {
    const Frame frame{{0, 0, 1, 1}, 3, 2};
    CHECK(difference(file, frame).largest == 0);
    CHECK(decode(file, frame).image.pixels.size() == 3);
  }
}
