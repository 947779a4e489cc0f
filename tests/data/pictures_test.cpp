#include "data/pictures.hpp"

#include <algorithm>
#include <set>

#include "data/segmentation_classes.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;
using data::Color;
using data::Image;

namespace {

Color at(const Image& image, int y, int x) {
  const auto i = static_cast<std::size_t>((y * image.width + x) * 3);
  return {image.pixels[i], image.pixels[i + 1], image.pixels[i + 2]};
}

Image plain(int height, int width, const Color& color) {
  Image image{height, width, {}};
  for (int i = 0; i < height * width; ++i)
    for (const std::uint8_t value : color) image.pixels.push_back(value);
  return image;
}

constexpr Color kBlack = {0, 0, 0}, kWhite = {255, 255, 255}, kRed = {255, 0, 0};

}  // namespace

TEST_CASE("street scenes have their usual colours, other classes hues of their own", "[pictures]") {
  const auto camvid = data::class_colors(data::camvid_classes().names);
  REQUIRE(camvid.size() == 11);
  CHECK(camvid[0] == Color{128, 128, 128});
  CHECK(camvid[10] == Color{0, 128, 192});
  const auto cityscapes = data::class_colors(data::cityscapes_train_ids().names);
  REQUIRE(cityscapes.size() == 19);
  CHECK(cityscapes[13] == Color{0, 0, 142});
  CHECK(data::class_colors({"a", "b", "c"}) == std::vector<Color>{kRed, {0, 255, 0}, {0, 0, 255}});
  // One name that is not among them: all are told apart by hue.
  std::vector<std::string> names = data::camvid_classes().names;
  names.push_back("Tram");
  for (const auto& colors : {camvid, cityscapes, data::class_colors(names)}) {
    CHECK(std::set<Color>(colors.begin(), colors.end()).size() == colors.size());
    CHECK(std::ranges::find(colors, kBlack) == colors.end());
  }
}

TEST_CASE("pixels are shown in their class's colour, black without one", "[pictures]") {
  const std::vector<Color> colors = {kRed, {1, 2, 3}};
  const Image truth = data::colored({1, 4, {0, 1, 255, 7}}, colors);
  CHECK(at(truth, 0, 0) == kRed);
  CHECK(at(truth, 0, 1) == colors[1]);
  CHECK(at(truth, 0, 2) == kBlack);
  CHECK(at(truth, 0, 3) == kBlack);
  CHECK(data::colored(std::vector<std::int32_t>{0, 1, -1, 2}, 1, 4, colors).pixels == truth.pixels);
}

TEST_CASE("images stand side by side, white where one is lower", "[pictures]") {
  const std::vector<Image> images = {plain(2, 3, kRed), plain(1, 2, kBlack)};
  const Image all = data::side_by_side(images);
  CHECK(all.height == 2);
  CHECK(all.width == 3 + 4 + 2);
  CHECK(all.pixels.size() == 2 * 9 * 3);
  CHECK(at(all, 1, 2) == kRed);
  CHECK(at(all, 0, 3) == kWhite);
  CHECK(at(all, 0, 7) == kBlack);
  CHECK(at(all, 1, 8) == kWhite);
}

TEST_CASE("a contact sheet shows whole images of any shape, enlarged or reduced", "[pictures]") {
  const Image sheet = data::contact_sheet({{plain(4, 4, kRed), plain(100, 50, kBlack)}, {plain(1, 3000, kRed)}}, 20);
  CHECK(sheet.height == 2 * 24 + 4);
  CHECK(sheet.width == 2 * 24 + 4);
  CHECK(at(sheet, 4, 4) == kRed);
  CHECK(at(sheet, 23, 23) == kRed);
  CHECK(at(sheet, 24, 24) == kWhite);
  CHECK(at(sheet, 10, 28 + 4) == kWhite);
  CHECK(at(sheet, 10, 28 + 5) == kBlack);
  CHECK(at(sheet, 10, 28 + 14) == kBlack);
  CHECK(at(sheet, 10, 28 + 15) == kWhite);
  CHECK(at(sheet, 28 + 9, 4) == kRed);
  CHECK(at(sheet, 28 + 11, 4) == kWhite);
  CHECK(at(sheet, 28 + 9, 28) == kWhite);
}
