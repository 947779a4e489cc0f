#include "data/decode.hpp"

#include <array>
#include <cstdlib>
#include <span>
#include <string>
#include <utility>

#include <fmt/core.h>

#include "engine/core/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/image_files.hpp"

using namespace bsg;
using namespace bsg::data;
using bsg::test::encode_jpeg;
using bsg::test::encode_png;
using bsg::test::exif;
using bsg::test::gradient;
using bsg::test::Pixels;
using Catch::Matchers::Contains;

namespace {

Image decode(const std::string& file) { return decode_image(std::as_bytes(std::span(file)), "f.img"); }

int at(const Image& image, int y, int x, int c) {
  return image.pixels[static_cast<std::size_t>((y * image.width + x) * 3 + c)];
}

// expected(y, x, c), to `tolerance` levels.
template <class Expected>
void check_pixels(const Image& image, int height, int width, const Expected& expected, int tolerance = 0) {
  REQUIRE(image.height == height);
  REQUIRE(image.width == width);
  REQUIRE(image.pixels.size() == static_cast<std::size_t>(height * width * 3));
  int worst = 0;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < 3; ++c) worst = std::max(worst, std::abs(at(image, y, x, c) - expected(y, x, c)));
    }
  }
  CHECK(worst <= tolerance);
}

void check_rejected(const std::string& file, const std::string& reason) {
  INFO("expected: " << reason);
  CHECK_THROWS_AS(decode(file), DataError);
  CHECK_THROWS_WITH(decode(file), Contains("f.img: ") && Contains(reason));
}

// Every shorter file, a step at a time.
void check_every_truncation(const std::string& file, std::size_t step) {
  for (std::size_t size = 0; size < file.size(); size += step) {
    INFO(size << " of " << file.size() << " bytes");
    CHECK_THROWS_AS(decode(file.substr(0, size)), DataError);
  }
}

// Replaces the sizes in the first frame header of a JPEG file.
std::string with_jpeg_size(std::string file, unsigned height, unsigned width) {
  for (std::size_t i = 0; i + 9 < file.size(); ++i) {
    if (static_cast<unsigned char>(file[i]) == 0xFF && static_cast<unsigned char>(file[i + 1]) == 0xC0) {
      file[i + 5] = static_cast<char>(height >> 8);
      file[i + 6] = static_cast<char>(height);
      file[i + 7] = static_cast<char>(width >> 8);
      file[i + 8] = static_cast<char>(width);
      return file;
    }
  }
  throw std::runtime_error("no frame header");
}

std::uint32_t crc_of(const std::string& bytes) {
  std::uint32_t crc = 0xFFFFFFFFu;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320u : 0);
  }
  return ~crc;
}

std::string big_endian(std::uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}

// Replaces the sizes in a PNG file's header, and the header's checksum.
std::string with_png_size(std::string file, std::uint32_t height, std::uint32_t width) {
  file.replace(16, 8, big_endian(width) + big_endian(height));
  return file.replace(29, 4, big_endian(crc_of(file.substr(12, 17))));
}

}  // namespace

TEST_CASE("jpeg: RGB, grey and progressive files") {
  const Pixels rgb = gradient(19, 33, 3), grey = gradient(5, 7, 1);
  const auto expected = [&](int y, int x, int c) { return rgb.at(y, x, c); };
  check_pixels(decode(encode_jpeg(rgb)), 19, 33, expected, 3);
  check_pixels(decode(encode_jpeg(rgb, {.progressive = true})), 19, 33, expected, 3);
  const Image image = decode(encode_jpeg(grey));
  check_pixels(
      image, 5, 7, [&](int y, int x, int) { return grey.at(y, x, 0); }, 2);
  CHECK(at(image, 2, 2, 0) == at(image, 2, 2, 2));
}

TEST_CASE("jpeg: inks, inverted by Adobe's convention and plain") {
  const Pixels inks = gradient(16, 16, 4);
  check_pixels(
      decode(encode_jpeg(inks)), 16, 16, [&](int y, int x, int c) { return inks.at(y, x, c) * inks.at(y, x, 3) / 255; },
      4);
  check_pixels(
      decode(encode_jpeg(inks, {.adobe_marker = false})), 16, 16,
      [&](int y, int x, int c) { return (255 - inks.at(y, x, c)) * (255 - inks.at(y, x, 3)) / 255; }, 4);
}

TEST_CASE("jpeg: one pixel") {
  const Image image = decode(encode_jpeg({1, 1, 3, {200, 100, 50}}));
  check_pixels(
      image, 1, 1,
      [](int, int, int c) {
        return std::array{200, 100, 50}[static_cast<std::size_t>(c)];
      },
      3);
}

TEST_CASE("jpeg: a file that ends early is an error wherever it ends") {
  for (const bool progressive : {false, true}) {
    const std::string file = encode_jpeg(gradient(24, 24, 3), {.progressive = progressive});
    check_every_truncation(file, 1);
    check_rejected(file.substr(0, file.size() / 2), "bad JPEG image");
  }
  check_rejected(encode_jpeg(gradient(24, 24, 3)).substr(0, 400), "bad JPEG image: Premature end of JPEG file");
}

TEST_CASE("jpeg: damaged files are errors or images, never a crash") {
  const std::string file = encode_jpeg(gradient(24, 24, 3));
  int errors = 0;
  for (std::size_t i = 3; i < file.size(); ++i) {
    std::string damaged = file;
    damaged[i] = static_cast<char>(damaged[i] ^ 0xFF);
    try {
      decode(damaged);
    } catch (const DataError&) {
      ++errors;
    }
  }
  CHECK(errors > 50);
  // A marker in the middle of the pixels.
  std::string damaged = file;
  damaged.replace(file.size() - 30, 2, "\xFF\xD9");
  check_rejected(damaged, "bad JPEG image");
}

TEST_CASE("jpeg: sizes over the limit are refused by the header") {
  const std::string file = encode_jpeg(gradient(8, 8, 3));
  check_rejected(with_jpeg_size(file, 65500, 65500), "the image has 65500 x 65500 pixels, at most 67108864");
  check_rejected(with_jpeg_size(file, 65535, 8), "65500");
  check_rejected(with_jpeg_size(file, 8, 0), "bad JPEG image");
}

TEST_CASE("jpeg: a camera's orientation is applied") {
  // Row y and column x as they are seen, in a stored image of 16 x 24 (Exif 2.32, 4.6.4 A).
  using Place = std::pair<int, int>;
  const std::array<Place (*)(int, int), 8> stored = {
      [](int y, int x) { return Place{y, x}; },           [](int y, int x) { return Place{y, 23 - x}; },
      [](int y, int x) { return Place{15 - y, 23 - x}; }, [](int y, int x) { return Place{15 - y, x}; },
      [](int y, int x) { return Place{x, y}; },           [](int y, int x) { return Place{15 - x, y}; },
      [](int y, int x) { return Place{15 - x, 23 - y}; }, [](int y, int x) { return Place{x, 23 - y}; },
  };
  const Pixels rgb = gradient(16, 24, 3);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    for (const bool little_endian : {true, false}) {
      INFO("orientation " << orientation);
      const bool turned = orientation > 4;
      const auto expected = [&](int y, int x, int c) {
        const auto [row, column] = stored[static_cast<std::size_t>(orientation - 1)](y, x);
        return rgb.at(row, column, c);
      };
      check_pixels(decode(encode_jpeg(rgb, {.app1 = exif(orientation, little_endian)})), turned ? 24 : 16,
                   turned ? 16 : 24, expected, 3);
    }
  }
}

TEST_CASE("jpeg: a damaged Exif part is ignored") {
  const Pixels rgb = gradient(8, 16, 3);
  const auto check_upright = [&](const std::string& app1) {
    check_pixels(
        decode(encode_jpeg(rgb, {.app1 = app1})), 8, 16, [&](int y, int x, int c) { return rgb.at(y, x, c); }, 3);
  };
  const std::string whole = exif(6);
  for (const int orientation : {0, 9, 0x600, 0xFFFF}) check_upright(exif(orientation));
  const std::size_t value = whole.size() - 20;  // the last entry and the next directory's offset after it: 16 bytes
  for (std::size_t size = 1; size + 2 <= value + 2; ++size) check_upright(whole.substr(0, size));
  const auto with = [&](std::size_t at, const std::string& bytes) {
    return std::string(whole).replace(at, bytes.size(), bytes);
  };
  check_upright(with(0, "http"));
  check_upright(with(6, "IM"));
  check_upright(with(8, std::string(1, '\x2B')));
  check_upright(with(10, "\xFF\xFF\xFF\xFF"));
  check_upright(with(value - 8, "\x12\x01\x02"));  // another type
  CHECK(decode(encode_jpeg(rgb, {.app1 = whole.substr(0, value + 2)})).height == 16);
}

TEST_CASE("png: RGB, grey, interlaced, 1x1") {
  const Pixels rgb = gradient(9, 13, 3), grey = gradient(3, 5, 1);
  const auto expected = [&](int y, int x, int c) { return rgb.at(y, x, c); };
  check_pixels(decode(encode_png(rgb)), 9, 13, expected);
  check_pixels(decode(encode_png(rgb, {.interlaced = true})), 9, 13, expected);
  check_pixels(decode(encode_png(grey)), 3, 5, [&](int y, int x, int) { return grey.at(y, x, 0); });
  check_pixels(decode(encode_png({1, 1, 1, {77}})), 1, 1, [](int, int, int) { return 77; });
}

TEST_CASE("png: alpha is dropped") {
  const Pixels rgba = gradient(4, 4, 4), grey_alpha = gradient(4, 4, 2);
  check_pixels(decode(encode_png(rgba)), 4, 4, [&](int y, int x, int c) { return rgba.at(y, x, c); });
  check_pixels(decode(encode_png(grey_alpha)), 4, 4, [&](int y, int x, int) { return grey_alpha.at(y, x, 0); });
  const Pixels grey = gradient(4, 4, 1);
  check_pixels(decode(encode_png(grey, {.transparent_grey = grey.at(1, 1, 0)})), 4, 4,
               [&](int y, int x, int) { return grey.at(y, x, 0); });
}

TEST_CASE("png: palettes and few bits") {
  const std::vector<std::uint8_t> palette = {10, 20, 30, 40, 50, 60, 70, 80, 90, 255, 0, 128};
  const Pixels indices = {2, 5, 1, {0, 1, 2, 3, 0, 3, 2, 1, 0, 3}};
  for (const int bits : {2, 4, 8}) {
    check_pixels(decode(encode_png(indices, {.bits = bits, .color_type = 3, .palette = palette})), 2, 5,
                 [&](int y, int x, int c) { return palette[static_cast<std::size_t>(indices.at(y, x, 0) * 3 + c)]; });
  }
  check_pixels(decode(encode_png(indices, {.bits = 2})), 2, 5,
               [&](int y, int x, int) { return indices.at(y, x, 0) * 85; });
  const Pixels bits = {1, 9, 1, {1, 0, 1, 1, 0, 0, 1, 0, 1}};
  check_pixels(decode(encode_png(bits, {.bits = 1})), 1, 9, [&](int y, int x, int) { return bits.at(y, x, 0) * 255; });
}

TEST_CASE("png: 16 bits are rounded to 8") {
  // 0x0000, 0x0080 (0.498 of a level), 0x0081, 0x7FFF, 0xFF7E, 0xFFFF
  const Pixels grey = {1, 6, 1, {0, 0, 0, 0x80, 0, 0x81, 0x7F, 0xFF, 0xFF, 0x7E, 0xFF, 0xFF}};
  const std::array expected = {0, 0, 1, 127, 254, 255};
  check_pixels(decode(encode_png(grey, {.bits = 16})), 1, 6,
               [&](int, int x, int) { return expected[static_cast<std::size_t>(x)]; });
}

TEST_CASE("png: a file that ends early or is damaged anywhere is an error") {
  for (const bool interlaced : {false, true}) {
    const std::string file = encode_png(gradient(9, 9, 3), {.interlaced = interlaced});
    check_every_truncation(file, 1);
    check_rejected(file.substr(0, file.size() - 20), "bad PNG image: the file ends early");
    for (std::size_t i = 0; i < file.size(); ++i) {
      INFO("byte " << i);
      std::string damaged = file;
      damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
      CHECK_THROWS_AS(decode(damaged), DataError);
    }
  }
}

TEST_CASE("png: sizes over the limit are refused by the header, and pixels that are not there are an error") {
  const std::string file = encode_png(gradient(8, 8, 3));
  check_rejected(with_png_size(file, 0x7FFFFFFF, 0x7FFFFFFF), "2147483647 x 2147483647 pixels, at most 67108864");
  check_rejected(with_png_size(file, 8193, 8192), "8192 x 8193 pixels");
  check_rejected(with_png_size(file, 0x80000000u, 1), "bad PNG image");
  check_rejected(with_png_size(file, 0, 8), "bad PNG image");
  check_rejected(with_png_size(file, 9, 8), "bad PNG image: Not enough image data");
}

TEST_CASE("decode: other bytes") {
  check_rejected("", "the file is empty");
  check_rejected("GIF89a", "is neither a JPEG nor a PNG image");
  check_rejected("\xFF\xD8\xFF", "bad JPEG image");
  CHECK_THROWS_AS(decode_jpeg({}, "f.jpg"), DataError);
  CHECK_THROWS_AS(decode_png({}, "f.png"), DataError);
  CHECK_THROWS_WITH(read_image("/nonexistent/f.png"), "/nonexistent/f.png: no such file");
}
