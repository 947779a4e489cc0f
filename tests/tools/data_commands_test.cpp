#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "data/decode.hpp"
#include "data/resize.hpp"
#include "data/synthetic.hpp"
#include "engine/core/file.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/image_files.hpp"
#include "tests/support/program.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace bsg;
using namespace bsg::data;
using bsg::test::ProgramResult;
using bsg::test::TemporaryFolder;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace fs = std::filesystem;

namespace {

ProgramResult bsg_data(const std::vector<std::string>& arguments) {
  return bsg::test::run_program("bsg_data", arguments);
}

// One line that says `reason`, nothing on standard output.
void check_failure(const ProgramResult& result, int status, const std::string& reason) {
  CHECK(result.status == status);
  CHECK(result.out.empty());
  CHECK_THAT(result.err, StartsWith("bsg_data: ") && Contains(reason));
  CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

void put(const std::string& path, const std::string& content) {
  fs::create_directories(fs::path(path).parent_path());
  write_text_file(path, content);
}

// Two classes with images of the given side.
void write_folders(const TemporaryFolder& folder, int side = 32) {
  for (const std::string split : {"train", "test"}) {
    for (int i = 0; i < 3; ++i) {
      auto pixels = bsg::test::gradient(side, side, 3);
      pixels.values[0] = static_cast<std::uint8_t>(i);
      for (const std::string name : {"cat", "dog"}) {
        put(folder / fmt::format("in/{}/{}/{}.png", split, name, i), bsg::test::encode_png(pixels));
      }
    }
  }
}

void check_same(const Dataset& a, const Dataset& b) {
  REQUIRE(a.size() == b.size());
  CHECK(a.classes() == b.classes());
  std::int64_t different = 0;
  for (std::int64_t i = 0; i < a.size(); ++i) {
    const Example x = a.get(i), y = b.get(i);
    different += x.label != y.label || x.image.pixels != y.image.pixels ? 1 : 0;
  }
  CHECK(different == 0);
}

}  // namespace

TEST_CASE("bsg_data synthesize: folders of the built-in images") {
  const TemporaryFolder folder;
  const std::string out = folder / "out";
  const ProgramResult result = bsg_data({"synthesize", out, "--train", "30", "--test", "20", "--seed", "3"});
  INFO(result.err);
  REQUIRE(result.status == 0);
  CHECK(names_in(folder.path()) == std::vector<std::string>{"out"});
  CHECK(names_in(out) == std::vector<std::string>{"difficulty.csv", "test", "train"});
  const auto train = open_dataset(out, Split::train);
  REQUIRE(train->size() == 30);
  CHECK(train->classes() == synthetic_classes());
  // Class by class, three images each.
  CHECK(train->source(4) == out + "/train/cross/0000011.png");
  const Example expected = draw_synthetic(3, Split::train, 11);
  CHECK(train->get(4).label == expected.label);
  CHECK(train->get(4).image.pixels == expected.image.pixels);
  CHECK(open_dataset(out, Split::test)->size() == 20);
  const std::string csv = read_text_file(out + "/difficulty.csv", 1 << 20);
  CHECK(std::count(csv.begin(), csv.end(), '\n') == 51);
  CHECK_THAT(csv, StartsWith("file,difficulty\ntrain/checkers/0000000.png,"));
  CHECK_THAT(csv, Contains(fmt::format("\ntrain/cross/0000011.png,{}\n", expected.difficulty)));
}

TEST_CASE("bsg_data: an output that exists is refused, an empty folder is taken") {
  const TemporaryFolder folder;
  fs::create_directory(folder / "empty");
  put(folder / "full/file", "x");
  put(folder / "file", "x");
  const auto synthesize = [&](const std::string& out) {
    return bsg_data({"synthesize", out, "--train", "10", "--test", "10"});
  };
  check_failure(synthesize(folder / "full"), 2, "full: exists and is not empty");
  check_failure(synthesize(folder / "file"), 2, "file: exists and is no folder");
  check_failure(synthesize(folder / "none/out"), 1, "cannot write ");
  check_failure(synthesize(""), 2, "is no name of a folder");
  CHECK(names_in(folder.path()) == std::vector<std::string>{"empty", "file", "full"});
  CHECK(synthesize(folder / "empty/").status == 0);
  CHECK(names_in(folder / "empty").size() == 3);
  CHECK(names_in(folder.path()).size() == 3);
}

TEST_CASE("bsg_data import: the same examples in the binary layout, in the same order") {
  const TemporaryFolder folder;
  write_folders(folder);
  const std::string in = folder / "in", out = folder / "out", again = folder / "again";
  const ProgramResult result = bsg_data({"import", in, out});
  INFO(result.err);
  REQUIRE(result.status == 0);
  CHECK(result.out == out + ": 6 training and 6 test images of 2 classes\n");
  check_same(*open_dataset(out, Split::train), *open_dataset(in, Split::train));
  check_same(*open_dataset(out, Split::test), *open_dataset(in, Split::test));
  CHECK(read_text_file(out + "/batches.meta.txt", 100) == "cat\ndog\n");
  // Also of that layout itself, and of sets with fewer images than files.
  REQUIRE(bsg_data({"import", out, again}).status == 0);
  check_same(*open_dataset(again, Split::train), *open_dataset(in, Split::train));
  REQUIRE(bsg_data({"import", "synthetic", folder / "few", "--train", "2", "--test", "1"}).status == 0);
  check_same(*open_dataset(folder / "few", Split::train), *make_synthetic(1, Split::train, 2));
}

TEST_CASE("bsg_data import: images of other sizes are refused or resized") {
  const TemporaryFolder folder;
  write_folders(folder, 64);
  const std::string in = folder / "in", out = folder / "out";
  check_failure(bsg_data({"import", in, out}), 2, "in/train/cat/0.png: has 64 x 64 pixels, expected 32 x 32");
  CHECK(names_in(folder.path()) == std::vector<std::string>{"in"});
  REQUIRE(bsg_data({"import", in, out, "--resize"}).status == 0);
  CHECK(open_dataset(out, Split::train)->size() == 6);
}

TEST_CASE("bsg_data import: bad input leaves nothing behind") {
  const TemporaryFolder folder;
  write_folders(folder);
  put(folder / "in/test/dog/1.png", "no image");
  check_failure(bsg_data({"import", folder / "in", folder / "out"}), 2,
                "in/test/dog/1.png: is neither a JPEG nor a PNG");
  CHECK(names_in(folder.path()) == std::vector<std::string>{"in"});
}

TEST_CASE("bsg_data info: a table or JSON") {
  const TemporaryFolder folder;
  write_folders(folder);
  // One pixel of a size of its own.
  put(folder / "in/train/cat/small.png", bsg::test::encode_png({1, 2, 3, {0, 51, 102, 255, 51, 102}}));
  const ProgramResult table = bsg_data({"info", folder / "in"});
  CHECK(table.status == 0);
  CHECK_THAT(table.out, Contains("image_folders, 2 classes") && Contains("2..32 x 1..32") && Contains("unknown"));

  put(folder / "one/train/a/x.png", bsg::test::encode_png({1, 2, 3, {0, 51, 102, 255, 51, 102}}));
  put(folder / "one/test/a/x.png", bsg::test::encode_png({1, 1, 1, {51}}));
  const auto info = nlohmann::json::parse(bsg_data({"info", folder / "one", "--json"}).out);
  CHECK(info["layout"] == "image_folders");
  CHECK(info["classes"] == std::vector<std::string>{"a"});
  const auto& train = info["splits"]["train"];
  CHECK(train["images"] == 1);
  CHECK(train["width"] == std::vector<int>{2, 2});
  CHECK(train["mean"][0].get<double>() == Approx(0.5));
  CHECK(train["std"][0].get<double>() == Approx(0.5));
  CHECK(train["mean"][1].get<double>() == Approx(0.2));
  CHECK(train["std"][1].get<double>() == Approx(0).margin(1e-9));
  CHECK(train["difficulty"].is_null());

  const auto synthetic =
      nlohmann::json::parse(bsg_data({"info", "synthetic", "--json", "--train", "50", "--test", "20"}).out);
  CHECK(synthetic["splits"]["train"]["images_per_class"] == std::vector<int>(10, 5));
  CHECK(synthetic["splits"]["test"]["difficulty"]["images"] == 20);
  CHECK(synthetic["splits"]["test"]["difficulty"]["max"] < 1.0);
}

TEST_CASE("bsg_data preview: what a network would be given, as PNG files") {
  const TemporaryFolder folder;
  write_folders(folder);
  put(folder / "in/train/cat/0.png", bsg::test::encode_png(bsg::test::gradient(48, 60, 3)));
  const std::string in = folder / "in", out = folder / "out";
  const ProgramResult result = bsg_data({"preview", in, out, "--size", "24", "--resize", "32"});
  INFO(result.err);
  REQUIRE(result.status == 0);
  CHECK(names_in(out) == std::vector<std::string>{"000000.png", "000001.png", "000002.png", "000003.png", "000004.png",
                                                  "000005.png", "sources.txt"});
  CHECK_THAT(read_text_file(out + "/sources.txt", 10000), StartsWith("000000.png " + in + "/train/cat/0.png\n"));
  const Frame frame = middle_frame({48, 60}, {32, 32}, 24, 24);
  const Image image = read_image(in + "/train/cat/0.png");
  CHECK(read_image(out + "/000000.png").pixels == resize_box(image, frame.box, 24, 24).pixels);
  // Another seed, another box.
  const auto augmented = [&](const std::string& seed) {
    const std::string to = folder / ("augmented" + seed);
    CHECK(bsg_data({"preview", in, to, "--split", "test", "--size", "24", "--augment", "--seed", seed}).status == 0);
    return read_image(to + "/000000.png").pixels;
  };
  CHECK(augmented("1") != augmented("2"));
  check_failure(bsg_data({"preview", in, folder / "no", "--size", "24", "--resize", "20"}), 2, "resize is 20");
  check_failure(bsg_data({"preview", in, folder / "no", "--color-jitter", "2"}), 2, "color_jitter");
  CHECK_FALSE(fs::exists(folder / "no"));
}

TEST_CASE("bsg_data speed: images a second") {
  const TemporaryFolder folder;
  write_folders(folder);
  const auto report = nlohmann::json::parse(
      bsg_data({"speed", folder / "in", "--size", "16", "--augment", "--seconds", "0", "--limit", "4", "--json"}).out);
  CHECK(report["images"] == 4);
  CHECK(report["passes"] == 1);
  CHECK(report["images_per_second"] > 0.0);
}

TEST_CASE("bsg_data: segmentation sets are told by their pixels, and not imported") {
  const TemporaryFolder folder;
  const std::string image = bsg::test::encode_png(bsg::test::gradient(2, 4, 3));
  for (const std::string split : {"train", "val"}) {
    put(folder / ("in/" + split + "/x.png"), image);
    put(folder / ("in/" + split + "annot/x.png"), bsg::test::encode_png({2, 4, 1, {0, 0, 0, 0, 1, 1, 2, 2}}));
  }
  put(folder / "in/classes.txt", "road\nsky\nignored\n");
  const ProgramResult table = bsg_data({"info", folder / "in"});
  INFO(table.err);
  CHECK(table.status == 0);
  CHECK_THAT(table.out, Contains("annotated_folders, 2 classes") && Contains("50.000 %") && Contains("no class"));
  const auto info = nlohmann::json::parse(bsg_data({"info", folder / "in", "--json"}).out);
  const auto& train = info["splits"]["train"];
  CHECK(train["images"] == 1);
  CHECK(train["pixels_per_class"] == std::vector<int>{4, 2});
  CHECK(train["pixels_ignored"] == 2);
  check_failure(bsg_data({"import", folder / "in", folder / "out"}), 2, "in: has classes of pixels");
  CHECK(names_in(folder.path()) == std::vector<std::string>{"in"});
}

TEST_CASE("bsg_data info: images that cannot be read are named and counted") {
  const TemporaryFolder folder;
  write_folders(folder);
  put(folder / "in/train/cat/1.png", "no image");
  put(folder / "in/train/dog/2.png", "");
  const ProgramResult table = bsg_data({"info", folder / "in"});
  CHECK(table.status == 0);
  CHECK_THAT(table.out, Contains("\nunreadable                            2                        0\n\n" +
                                 (folder / "in/train/cat/1.png") + ": is neither a JPEG nor a PNG image\n" +
                                 (folder / "in/train/dog/2.png") + ": the file is empty\n"));
  const auto info = nlohmann::json::parse(bsg_data({"info", folder / "in", "--json"}).out);
  CHECK(info["splits"]["train"]["images"] == 4);
  CHECK(info["splits"]["train"]["unreadable"].size() == 2);
  CHECK(info["splits"]["test"]["unreadable"].empty());
  for (int i = 0; i < 3; ++i) {
    for (const std::string name : {"cat", "dog"}) put(folder / fmt::format("in/test/{}/{}.png", name, i), "x");
  }
  CHECK_THAT(bsg_data({"info", folder / "in"}).out, Contains("unknown"));
  CHECK(nlohmann::json::parse(bsg_data({"info", folder / "in", "--json"}).out)["splits"]["test"]["width"].is_null());
}

TEST_CASE("bsg_data: usage") {
  check_failure(bsg_data({}), 2, "subcommand");
  check_failure(bsg_data({"info"}), 2, "D is required");
  check_failure(bsg_data({"info", "/nonexistent"}), 2, "/nonexistent: no such folder");
  check_failure(bsg_data({"synthesize", "/nonexistent/x", "--train", "0"}), 2, "--train");
  check_failure(bsg_data({"info", "synthetic", "extra"}), 2, "extra");
  CHECK(bsg_data({"import", "--help"}).status == 0);
}
