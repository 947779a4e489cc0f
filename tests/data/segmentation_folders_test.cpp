#include "data/segmentation_folders.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "data/label_png.hpp"
#include "data/segmentation_classes.hpp"
#include "engine/core/error.hpp"
#include "engine/core/file.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/image_files.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace bsg;
using namespace bsg::data;
using bsg::test::PngOptions;
using bsg::test::TemporaryFolder;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace fs = std::filesystem;

namespace {

using Bytes = std::vector<std::uint8_t>;

void put(const std::string& path, const std::string& content) {
  fs::create_directories(fs::path(path).parent_path());
  write_text_file(path, content);
}

std::string image(int height, int width) { return bsg::test::encode_png(bsg::test::gradient(height, width, 3)); }

std::string annotation(int height, int width, const Bytes& numbers) {
  return bsg::test::encode_png({height, width, 1, numbers});
}

LabelMap decoded(const std::string& png) {
  return decode_label_png(std::as_bytes(std::span(png.data(), png.size())), "labels.png");
}

// Images of 2 rows and 3 columns.
void write_camvid(const TemporaryFolder& folder, const std::string& test = "val") {
  put(folder / "train/b.png", image(2, 3));
  put(folder / "trainannot/b.png", annotation(2, 3, {0, 1, 2, 3, 4, 5}));
  put(folder / "train/a.JPG", bsg::test::encode_jpeg(bsg::test::gradient(2, 3, 3)));
  put(folder / "trainannot/a.png", annotation(2, 3, {6, 7, 8, 9, 10, 11}));
  put(folder / ("train/notes.txt"), "no image");
  put(folder / (test + "/c.png"), image(2, 3));
  put(folder / (test + "annot/c.png"), annotation(2, 3, {255, 11, 0, 0, 0, 10}));
}

void check_rejected(const TemporaryFolder& folder, const std::string& reason, Split split = Split::train) {
  INFO("expected: " << reason);
  CHECK_THROWS_AS(open_dataset(folder.path().string(), split), DataError);
  CHECK_THROWS_WITH(open_dataset(folder.path().string(), split),
                    StartsWith(folder.path().string()) && Contains(reason));
}

}  // namespace

TEST_CASE("label PNGs: numbers as they are stored, grey or in a palette, of any depth") {
  const Bytes numbers = {0, 1, 2, 3, 1, 0};
  const Bytes palette = {9, 9, 9, 200, 0, 0, 0, 200, 0, 0, 0, 200};
  for (const int bits : {2, 4, 8}) {
    for (const bool interlaced : {false, true}) {
      INFO(bits << " bits, interlaced: " << interlaced);
      const PngOptions grey = {.bits = bits, .interlaced = interlaced};
      CHECK(decoded(bsg::test::encode_png({2, 3, 1, numbers}, grey)).labels == numbers);
      const PngOptions indexed = {.bits = bits, .color_type = 3, .interlaced = interlaced, .palette = palette};
      const LabelMap map = decoded(bsg::test::encode_png({2, 3, 1, numbers}, indexed));
      CHECK(map.labels == numbers);
      CHECK(map.height == 2);
      CHECK(map.width == 3);
    }
  }
  // Alpha of a palette or of a grey value changes no number.
  CHECK(decoded(bsg::test::encode_png({1, 2, 1, {1, 0}}, {.bits = 1, .transparent_grey = 1})).labels == Bytes{1, 0});
}

TEST_CASE("label PNGs: colours, alpha, 16 bits and damage are refused") {
  const auto refused = [](const std::string& png, const std::string& reason) {
    CHECK_THROWS_AS(decoded(png), DataError);
    CHECK_THROWS_WITH(decoded(png), StartsWith("labels.png: ") && Contains(reason));
  };
  refused(bsg::test::encode_png(bsg::test::gradient(2, 2, 3)), "has RGB of 8 bits");
  refused(bsg::test::encode_png(bsg::test::gradient(2, 2, 2)), "has grey and alpha of 8 bits");
  refused(bsg::test::encode_png(bsg::test::gradient(2, 2, 4)), "has RGB and alpha of 8 bits");
  refused(bsg::test::encode_png({1, 1, 1, {0, 3}}, {.bits = 16}), "has grey of 16 bits");
  const std::string good = annotation(2, 2, {1, 2, 3, 4});
  refused(good.substr(0, good.size() - 14), "the file ends early");
  refused("GIF89a", "bad PNG image");
  refused("", "bad PNG image");
}

TEST_CASE("classes.txt: names by number, lines that read `ignored` have none") {
  const PixelClasses classes = parse_pixel_classes("road\nignored\r\ncar\r\nsky", "classes.txt");
  CHECK(classes.names == std::vector<std::string>{"road", "car", "sky"});
  CHECK(classes.labels[0] == 0);
  CHECK(classes.labels[1] == LabelMap::kIgnored);
  CHECK(classes.labels[2] == 1);
  CHECK(classes.labels[3] == 2);
  CHECK(classes.labels[4] == PixelClasses::kUndefined);
  CHECK(classes.labels[255] == LabelMap::kIgnored);

  const auto refused = [](const std::string& text, const std::string& message) {
    CHECK_THROWS_WITH(parse_pixel_classes(text, "f"), "f: " + message);
  };
  refused("", "names no class");
  refused("ignored\n", "names no class");
  refused("a\n\nb\n", "line 2 is empty");
  refused("a\nb\na\n", "a comes twice");
  std::string many;
  for (int i = 0; i < 254; ++i) many += fmt::format("c{}\n", i);
  CHECK(parse_pixel_classes(many, "f").names.size() == 254);
  CHECK(parse_pixel_classes(many, "f").labels[253] == 253);
  refused(many + "x\n", "more than 254 classes");
  refused(many + "ignored\nx\n", "255 is no class, it is always ignored");
  refused(many + "ignored\nignored\nignored\n", "more than 256 lines, one for each number");
}

TEST_CASE("annotated folders: pairs by name, CamVid's classes without a file") {
  for (const std::string test : {"val", "test"}) {
    const TemporaryFolder folder;
    write_camvid(folder, test);
    const auto train = open_dataset(folder.path().string(), Split::train);
    CHECK(train->labels_pixels());
    CHECK(train->classes().size() == 11);
    CHECK(train->classes()[8] == "Car");
    REQUIRE(train->size() == 2);
    CHECK(train->source(0) == folder / "train/a.JPG");
    CHECK(train->get(0).annotation.labels == Bytes{6, 7, 8, 9, 10, LabelMap::kIgnored});
    CHECK(train->get(1).annotation.labels == Bytes{0, 1, 2, 3, 4, 5});
    CHECK(train->get(1).image.pixels == bsg::test::gradient(2, 3, 3).values);
    const auto other = open_dataset(folder.path().string(), Split::test);
    REQUIRE(other->size() == 1);
    CHECK(other->get(0).annotation.labels == Bytes{LabelMap::kIgnored, LabelMap::kIgnored, 0, 0, 0, 10});
  }
}

TEST_CASE("annotated folders: found in the only folder of a folder") {
  const TemporaryFolder folder;
  const auto put_pair = [&](const std::string& split, const std::string& name) {
    put(folder / ("set/" + split + "/" + name + ".png"), image(1, 1));
    put(folder / ("set/" + split + "annot/" + name + ".png"), annotation(1, 1, {3}));
  };
  put_pair("train", "x");
  put_pair("val", "y");
  put(folder / "README", "text");
  const Location location = locate_dataset(folder.path().string());
  CHECK(location.layout == Layout::annotated_folders);
  CHECK(location.folder == folder / "set");
  CHECK(open_dataset(folder.path().string(), Split::test)->source(0) == folder / "set/val/y.png");
  fs::create_directory(folder / "other");
  check_rejected(folder, "holds neither");
}

TEST_CASE("annotated folders: classes.txt decides") {
  const TemporaryFolder folder;
  write_camvid(folder);
  put(folder / "classes.txt", "a\nb\nignored\nc\nd\ne\n");
  CHECK_THROWS_WITH(open_dataset(folder.path().string(), Split::train),
                    folder / "trainannot/a.png" +
                        ": the pixel at row 0, column 0 has the id 6, which is none of the 5 classes of " +
                        folder / "classes.txt");
  fs::remove(folder / "train/a.JPG");
  fs::remove(folder / "trainannot/a.png");
  const auto train = open_dataset(folder.path().string(), Split::train);
  CHECK(train->classes() == std::vector<std::string>{"a", "b", "c", "d", "e"});
  CHECK(train->get(0).annotation.labels == Bytes{0, 1, LabelMap::kIgnored, 2, 3, 4});
}

TEST_CASE("annotated folders: a limit takes examples that are evenly spaced") {
  const TemporaryFolder folder;
  for (int i = 0; i < 10; ++i) {
    put(folder / fmt::format("train/{}.png", i), image(1, 1));
    put(folder / fmt::format("trainannot/{}.png", i), annotation(1, 1, {static_cast<std::uint8_t>(i)}));
  }
  put(folder / "val/a.png", image(1, 1));
  put(folder / "valannot/a.png", annotation(1, 1, {0}));
  const auto numbers = [&](std::int64_t limit) {
    const auto train = open_dataset(folder.path().string(), Split::train, {.limit = limit});
    Bytes found;
    for (std::int64_t i = 0; i < train->size(); ++i) found.push_back(train->get(i).annotation.labels[0]);
    return found;
  };
  CHECK(numbers(1) == Bytes{0});
  CHECK(numbers(3) == Bytes{0, 3, 6});
  CHECK(numbers(99).size() == 10);
}

TEST_CASE("annotated folders: what is missing or does not fit is named") {
  const TemporaryFolder folder;
  write_camvid(folder);
  SECTION("an annotation") {
    fs::remove(folder / "trainannot/b.png");
    check_rejected(folder, "train/b.png: has no annotation " + folder / "trainannot/b.png");
    CHECK_NOTHROW(open_dataset(folder.path().string(), Split::test));
  }
  SECTION("an image") {
    fs::remove(folder / "train/a.JPG");
    check_rejected(folder, "trainannot/a.png: has no image " + folder / "train/a.jpg or .png");
  }
  SECTION("two images for an annotation") {
    put(folder / "train/a.png", image(2, 3));
    check_rejected(folder, "train/a.png: belongs to the same annotation as " + folder / "train/a.JPG");
  }
  SECTION("sizes") {
    put(folder / "trainannot/b.png", annotation(3, 2, {0, 0, 0, 0, 0, 0}));
    check_rejected(folder, "trainannot/b.png: has 2 x 3 pixels, its image " + folder / "train/b.png has 3 x 2");
  }
  SECTION("a number that is no class") {
    put(folder / "valannot/c.png", annotation(2, 3, {0, 0, 0, 0, 12, 0}));
    check_rejected(folder,
                   "valannot/c.png: the pixel at row 1, column 1 has the id 12, which is none of the 11 classes of "
                   "CamVid, for want of a classes.txt",
                   Split::test);
  }
  SECTION("damaged files") {
    put(folder / "trainannot/b.png", "");
    check_rejected(folder, "trainannot/b.png: bad PNG image: the file ends early");
    put(folder / "train/a.JPG", "x");
    check_rejected(folder, "train/a.JPG: is neither a JPEG nor a PNG image");
  }
  SECTION("splits") {
    fs::remove_all(folder / "valannot");
    check_rejected(folder, "has no folders val and valannot, or test and testannot");
    fs::remove_all(folder / "train");
    put(folder / "valannot/c.png", annotation(2, 3, Bytes(6, 0)));
    check_rejected(folder, "has no folders train and trainannot", Split::test);
    fs::create_directory(folder / "train");
    check_rejected(folder, "train: holds no .jpg, .jpeg or .png file");
  }
}

TEST_CASE("annotated folders: a large set is decoded on demand") {
  const TemporaryFolder folder;
  write_camvid(folder);
  put(folder / "trainannot/b.png", annotation(2, 3, {0, 0, 0, 0, 0, 99}));
  CHECK_THROWS_AS(open_annotated_folders(folder.path().string(), Split::train), DataError);
  const auto train = open_annotated_folders(folder.path().string(), Split::train, 0, 1);
  CHECK(train->labels_pixels());
  CHECK(train->get(0).annotation.labels[0] == 6);
  CHECK_THROWS_WITH(train->get(1), Contains("trainannot/b.png: the pixel at row 1, column 2 has the id 99"));
}

TEST_CASE("Cityscapes: its own layout, with train ids or the ids of all classes") {
  const TemporaryFolder folder;
  const auto put_image = [&](const std::string& split, const std::string& city, const std::string& name) {
    put(folder / fmt::format("leftImg8bit/{}/{}/{}_leftImg8bit.png", split, city, name), image(2, 3));
  };
  const auto put_labels = [&](const std::string& split, const std::string& city, const std::string& name,
                              const std::string& kind, const Bytes& numbers) {
    put(folder / fmt::format("gtFine/{}/{}/{}_gtFine_{}.png", split, city, name, kind), annotation(2, 3, numbers));
  };
  put_image("train", "ulm", "ulm_000001_000019");
  put_image("train", "aachen", "aachen_000000_000019");
  put_image("val", "lindau", "lindau_000000_000019");
  // Files of other kinds lie beside them.
  put(folder / "gtFine/train/ulm/ulm_000001_000019_gtFine_polygons.json", "{}");
  put(folder / "gtFine/train/ulm/ulm_000001_000019_gtFine_color.png", image(2, 3));
  check_rejected(folder, "gtFine/val: no such folder", Split::test);
  put_labels("train", "ulm", "ulm_000001_000019", "labelIds", {7, 8, 33, 0, 34, 26});
  put_labels("train", "aachen", "aachen_000000_000019", "labelIds", {4, 11, 29, 28, 31, 255});
  put_labels("val", "lindau", "lindau_000000_000019", "labelTrainIds", {0, 18, 255, 1, 2, 3});

  check_rejected(folder,
                 "ulm_000001_000019_gtFine_labelIds.png: the pixel at row 1, column 1 has the id 34, which is none of "
                 "the 19 classes of Cityscapes' labelIds");
  put_labels("train", "ulm", "ulm_000001_000019", "labelIds", {7, 8, 33, 0, 32, 26});
  const auto train = open_dataset(folder.path().string(), Split::train);
  CHECK(locate_dataset(folder.path().string()).layout == Layout::cityscapes);
  REQUIRE(train->classes().size() == 19);
  CHECK(train->classes()[13] == "car");
  REQUIRE(train->size() == 2);
  CHECK(train->source(0) == folder / "leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png");
  CHECK(train->get(0).annotation.labels == Bytes{255, 2, 255, 15, 16, 255});
  CHECK(train->get(1).annotation.labels == Bytes{0, 1, 18, 255, 17, 13});
  CHECK(open_dataset(folder.path().string(), Split::test)->get(0).annotation.labels == Bytes{0, 18, 255, 1, 2, 3});

  // Train ids are preferred, and then every image has to have them.
  put_labels("train", "ulm", "ulm_000001_000019", "labelTrainIds", {0, 1, 18, 255, 17, 13});
  check_rejected(folder, "aachen_000000_000019_leftImg8bit.png: has no annotation " +
                             folder / "gtFine/train/aachen/aachen_000000_000019_gtFine_labelTrainIds.png");
  put_labels("train", "aachen", "aachen_000000_000019", "labelTrainIds", {19, 2, 255, 15, 16, 255});
  check_rejected(folder, "row 0, column 0 has the id 19, which is none of the 19 classes of Cityscapes' labelTrainIds");
  put_labels("train", "bonn", "bonn_000000_000019", "labelTrainIds", Bytes(6, 0));
  check_rejected(folder, "bonn_000000_000019_gtFine_labelTrainIds.png: has no image " +
                             folder / "leftImg8bit/train/bonn/bonn_000000_000019_leftImg8bit.png");
}
