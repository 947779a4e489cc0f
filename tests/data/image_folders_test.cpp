#include "data/image_folders.hpp"

#include <filesystem>
#include <string>

#include "engine/core/error.hpp"
#include "engine/core/file.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/image_files.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace bsg;
using namespace bsg::data;
using bsg::test::TemporaryFolder;
using Catch::Matchers::Contains;

namespace {

void put(const std::string& path, const std::string& content) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  write_text_file(path, content);
}

// One grey pixel.
std::string png(int value) { return bsg::test::encode_png({1, 1, 1, {static_cast<std::uint8_t>(value)}}); }

// train: cat 3, dog 2; test: one each.
void write_small_set(const TemporaryFolder& folder, const std::string& test = "test") {
  put(folder / "train/dog/a.png", png(10));
  put(folder / "train/dog/b.PNG", png(11));
  put(folder / "train/cat/3.png", png(22));
  put(folder / "train/cat/1.png", png(20));
  put(folder / "train/cat/2.jpeg", png(21));  // a PNG all the same
  put(folder / (test + "/cat/x.jpg"), bsg::test::encode_jpeg(bsg::test::gradient(5, 9, 3)));
  put(folder / (test + "/dog/y.png"), png(30));
}

void check_rejected(const TemporaryFolder& folder, const std::string& reason, Split split = Split::train) {
  INFO("expected: " << reason);
  CHECK_THROWS_AS(open_dataset(folder.path().string(), split), DataError);
  CHECK_THROWS_WITH(open_dataset(folder.path().string(), split), Contains(folder.path().string()) && Contains(reason));
}

}  // namespace

TEST_CASE("image folders: classes and files in the order of their names") {
  for (const std::string test : {"test", "val"}) {
    const TemporaryFolder folder;
    write_small_set(folder, test);
    put(folder / "train/cat/notes.txt", "no image");
    put(folder / "train/cat/.hidden.png", "no image");
    put(folder / "train/.hidden/x.png", "no image");
    put(folder / "train/README", "no class");
    const auto train = open_dataset(folder.path().string(), Split::train);
    CHECK(train->classes() == std::vector<std::string>{"cat", "dog"});
    REQUIRE(train->size() == 5);
    std::vector<int> values;
    std::vector<std::int64_t> labels;
    for (std::int64_t i = 0; i < 5; ++i) {
      values.push_back(train->get(i).image.pixels[0]);
      labels.push_back(train->get(i).label);
    }
    CHECK(values == std::vector<int>{20, 21, 22, 10, 11});
    CHECK(labels == std::vector<std::int64_t>{0, 0, 0, 1, 1});
    CHECK(train->source(3) == folder / "train/dog/a.png");
    const auto images = open_dataset(folder.path().string(), Split::test);
    REQUIRE(images->size() == 2);
    CHECK(images->get(0).image.width == 9);
    CHECK(images->get(1).label == 1);
  }
}

TEST_CASE("image folders: test is preferred to val") {
  const TemporaryFolder folder;
  write_small_set(folder);
  put(folder / "val/cat/x.png", png(1));
  CHECK(open_dataset(folder.path().string(), Split::test)->size() == 2);
}

TEST_CASE("image folders: a limit takes images of each class in turn") {
  const TemporaryFolder folder;
  write_small_set(folder);
  const auto labels = [&](std::int64_t limit) {
    const auto train = open_dataset(folder.path().string(), Split::train, {.limit = limit});
    std::vector<std::int64_t> found;
    for (std::int64_t i = 0; i < train->size(); ++i) found.push_back(train->get(i).label);
    return found;
  };
  CHECK(labels(1) == std::vector<std::int64_t>{0});
  CHECK(labels(3) == std::vector<std::int64_t>{0, 0, 1});
  CHECK(labels(4) == std::vector<std::int64_t>{0, 0, 1, 1});
  CHECK(labels(99).size() == 5);
}

TEST_CASE("image folders: what is not there or does not fit is named") {
  const TemporaryFolder folder;
  write_small_set(folder);
  const std::filesystem::path& root = folder.path();
  SECTION("no test split") {
    std::filesystem::remove_all(root / "test");
    check_rejected(folder, "has no folder test or val");
  }
  SECTION("no training split") {
    std::filesystem::remove_all(root / "train");
    check_rejected(folder, "has no folder train", Split::test);
  }
  SECTION("a split without classes") {
    std::filesystem::remove_all(root / "train");
    std::filesystem::create_directory(root / "train");
    check_rejected(folder, "train: holds no folder per class");
  }
  SECTION("a split whose images lie in no class, as ImageNet's val does") {
    std::filesystem::remove_all(root / "test");
    put(folder / "val/ILSVRC2012_val_00000001.JPEG", png(1));
    check_rejected(folder, "val: holds images but no folder per class: move each image into a folder");
  }
  SECTION("a class without images") {
    std::filesystem::create_directory(root / "train" / "eel");
    std::filesystem::create_directory(root / "test" / "eel");
    check_rejected(folder, "train/eel: holds no .jpg, .jpeg or .png file");
  }
  SECTION("classes that only one split has") {
    put(folder / "train/eel/a.png", png(1));
    check_rejected(folder, "train: has the class eel, which ");
    check_rejected(folder, "train: has the class eel, which ", Split::test);
    put(folder / "test/eel/a.png", png(1));
    put(folder / "test/gnu/a.png", png(1));
    put(folder / "test/hen/a.png", png(1));
    check_rejected(folder, "test: has the classes gnu, hen, which ");
  }
  SECTION("damaged images") {
    put(folder / "train/dog/b.PNG", png(11).substr(0, 50));
    check_rejected(folder, "train/dog/b.PNG: bad PNG image: the file ends early");
    put(folder / "train/cat/3.png", "");
    check_rejected(folder, "train/cat/3.png: the file is empty");
    CHECK_NOTHROW(open_dataset(root.string(), Split::test));
  }
}

TEST_CASE("image folders: a large set is decoded on demand") {
  const TemporaryFolder folder;
  write_small_set(folder);
  put(folder / "train/cat/2.jpeg", "no image");
  const auto open = [&](std::uint64_t max_decoded_bytes) {
    return open_image_folders(folder.path().string(), Split::train, 0, max_decoded_bytes);
  };
  CHECK_THROWS_AS(open(1000), DataError);
  const auto by_file_size = open(1);
  REQUIRE(by_file_size->size() == 5);
  CHECK(by_file_size->get(2).image.pixels[0] == 22);
  CHECK(by_file_size->get(2).label == 0);
  CHECK_THROWS_WITH(by_file_size->get(1), folder / "train/cat/2.jpeg" + ": is neither a JPEG nor a PNG image");
  // Files that decode to much more than they take: 3 KB each.
  for (const std::string name : {"cat/1.png", "cat/2.jpeg", "cat/3.png", "dog/a.png", "dog/b.PNG"}) {
    put(folder / ("train/" + name), bsg::test::encode_png({32, 32, 1, std::vector<std::uint8_t>(1024, 7)}));
  }
  const auto by_decoded_size = open(5000);
  put(folder / "train/cat/2.jpeg", "no image");
  CHECK(by_decoded_size->get(0).image.pixels.back() == 7);
  CHECK_THROWS_AS(by_decoded_size->get(1), DataError);
}

TEST_CASE("image folders: photographs are decoded on demand, the part that is asked for") {
  const TemporaryFolder folder;
  write_small_set(folder);
  const auto open = [&] { return open_dataset(folder.path().string(), Split::train); };
  put(folder / "train/cat/1.JPEG", bsg::test::encode_jpeg(bsg::test::gradient(256, 256, 3)));
  const auto held = open();
  put(folder / "train/cat/1.JPEG", bsg::test::encode_jpeg(bsg::test::gradient(256, 257, 3)));
  CHECK(held->get(0).image.width == 256);
  const auto on_demand = open();
  put(folder / "train/cat/1.JPEG", bsg::test::encode_jpeg(bsg::test::gradient(300, 400, 3)));
  CHECK(on_demand->get(0).image.width == 400);
  const auto framed = on_demand->get_framed(0, [](ImageSize whole) {
    CHECK(whole.height == 300);
    CHECK(whole.width == 400);
    return Frame{{0, 80, 300, 320}, 30, 32};
  });
  CHECK(framed.example.image.width <= 50);
  CHECK(framed.example.label == 0);
  CHECK(framed.box.height == 37.5);
  // Of a set in memory, the whole image.
  const auto whole = held->get_framed(0, [](ImageSize) { return Frame{{0, 80, 200, 160}, 10, 10}; });
  CHECK(whole.example.image.width == 256);
  CHECK(whole.box.left == 80);
}

TEST_CASE("image folders: unreadable images are left for later where they are to be skipped") {
  const TemporaryFolder folder;
  write_small_set(folder);
  put(folder / "train/cat/3.png", png(22).substr(0, 40));
  const auto train = open_dataset(folder.path().string(), Split::train, {.skip_unreadable = true});
  CHECK(train->get(1).image.pixels[0] == 21);
  CHECK_THROWS_WITH(train->get(2), Contains("train/cat/3.png: bad PNG image"));
}

TEST_CASE("open_dataset: paths that hold no data set") {
  const TemporaryFolder folder;
  check_rejected(folder, "the folder is empty");
  put(folder / "file.txt", "x");
  check_rejected(folder, "holds neither CIFAR-10's data_batch_1.bin nor folders train and test");
  CHECK_THROWS_WITH(open_dataset(folder / "file.txt", Split::train), Contains("is a file, expected a folder"));
  CHECK_THROWS_WITH(open_dataset(folder / "none", Split::train), Contains("no such folder"));
  CHECK_THROWS_AS(open_dataset("", Split::train), DataError);
}

TEST_CASE("open_dataset: the built-in images") {
  const OpenOptions options = {.synthetic_train = 30, .synthetic_test = 20, .synthetic_seed = 9, .limit = 25};
  CHECK(open_dataset("synthetic", Split::train, options)->size() == 25);
  CHECK(open_dataset("synthetic", Split::test, options)->size() == 20);
  CHECK_THROWS_AS(open_dataset("synthetic", Split::train, {.synthetic_train = 0}), ConfigError);
  CHECK_THROWS_AS(open_dataset("synthetic", Split::train, {.limit = -1}), ConfigError);
}
