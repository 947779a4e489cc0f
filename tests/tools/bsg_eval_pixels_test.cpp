// bsg_eval where pixels have classes.
#include <filesystem>
#include <sstream>

#include <nlohmann/json.hpp>

#include "data/decode.hpp"
#include "engine/core/file.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/program.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/tools/scenes.hpp"
#include "tests/tools/untrained_weights.hpp"

using namespace bsg;
using bsg::test::ProgramResult;
using bsg::test::scenes_in;
using bsg::test::TemporaryFolder;
using bsg::test::untrained_weights;
using Catch::Matchers::Contains;
using Json = nlohmann::json;

namespace {

// Runs bsg_eval on images of three classes and gives what it says of them.
Json evaluated(const TemporaryFolder& folder, const std::string& scenes, const std::string& weights,
               std::vector<std::string> more = {}) {
  const std::string arch = std::filesystem::path(weights).stem();
  more.insert(more.end(), {"--arch", arch, "--weights", weights, "--data", scenes, "--threads", "2", "--json",
                           folder / "out.json"});
  const ProgramResult result = test::run_program("bsg_eval", more);
  INFO(result.err);
  REQUIRE(result.status == 0);
  CHECK_THAT(result.out, Contains("mean IoU") && Contains("  road") && Contains("pixel accuracy"));
  return Json::parse(read_text_file(folder / "out.json", 1 << 20));
}

}  // namespace

TEST_CASE("bsg_eval segments whole images of different sizes, tells of each and shows some") {
  const TemporaryFolder folder;
  const std::string scenes = scenes_in(folder, {{40, 48}, {33, 50}, {40, 48}});
  const std::string weights = untrained_weights(folder, "pspnet18_bas", 3);
  const Json json =
      evaluated(folder, scenes, weights,
                {"--per-image", folder / "images.jsonl", "--save-predictions", folder / "pictures", "--pictures", "2"});
  CHECK(json["images"] == 3);
  CHECK_FALSE(json.contains("top1"));
  CHECK_FALSE(json.contains("windows"));
  REQUIRE(json["iou_per_class"].size() == 3);
  double sum = 0, occurring = 0;
  for (const auto& [name, iou] : json["iou_per_class"].items())
    if (iou.is_number()) sum += iou.get<double>(), ++occurring;
  CHECK(json["mean_iou"].get<double>() == Approx(sum / occurring));
  CHECK(json["pixel_accuracy"] >= 0);
  CHECK(json["pixel_accuracy"] <= 1);
  CHECK(json["macs_min"] < json["macs_max"]);
  CHECK(json["macs_mean"] <= json["macs_dense"]);
  CHECK(json["max_abs_difference"] <= 1e-3);
  for (const char* execution : {"dense", "gated"}) {
    CHECK(json["executions"][execution]["images_per_second"] > 0);
    CHECK(json["executions"][execution]["mean_iou"].get<double>() == Approx(json["mean_iou"].get<double>()));
  }

  std::istringstream lines(read_text_file(folder / "images.jsonl", 1 << 20));
  double loss = 0, macs = 0;
  int images = 0;
  for (std::string line; std::getline(lines, line); ++images) {
    const Json image = Json::parse(line);
    CHECK(image["index"] == images);
    CHECK_THAT(image["source"].get<std::string>(), Contains(std::to_string(images) + ".png"));
    CHECK(image["mean_iou"] <= 1);
    CHECK_FALSE(image.contains("label"));
    CHECK(image["density_per_layer"].size() == json["density_per_layer"].size());
    loss += image["loss"].get<double>() / 3;
    macs += image["macs"].get<double>() / 3;
  }
  CHECK(images == 3);
  CHECK(loss == Approx(json["loss"].get<double>()));
  CHECK(macs == Approx(json["macs_mean"].get<double>()));

  const Json shown = Json::parse(read_text_file(folder / "pictures/predictions.json", 1 << 20));
  REQUIRE(shown["pictures"].size() == 2);
  CHECK(shown["pictures"][0]["index"] == 0);
  CHECK(shown["pictures"][1]["file"] == "image-000001.png");
  CHECK(shown["colors"]["sky"] == Json::parse("[255, 0, 0]"));
  CHECK_FALSE(std::filesystem::exists(folder / "pictures/image-000002.png"));
  const std::string name = folder / "pictures/image-000001.png";
  const data::Image picture = data::decode_image(read_file(name, 1 << 24), name);
  REQUIRE(picture.height == 33);
  REQUIRE(picture.width == 3 * 50 + 2 * 4);
  const auto at = [&](int y, int x) {
    const auto i = static_cast<std::size_t>((y * picture.width + x) * 3);
    return std::vector<int>(picture.pixels.begin() + static_cast<std::ptrdiff_t>(i),
                            picture.pixels.begin() + static_cast<std::ptrdiff_t>(i + 3));
  };
  const test::Pixels input = test::gradient(33, 50, 3);
  CHECK(at(20, 30) == std::vector<int>{input.at(20, 30, 0), input.at(20, 30, 1), input.at(20, 30, 2)});
  CHECK(at(5, 54) == std::vector<int>{0, 0, 0});     // without a label
  CHECK(at(5, 60) == std::vector<int>{255, 0, 0});   // sky
  CHECK(at(30, 60) == std::vector<int>{0, 255, 0});  // road
}

TEST_CASE("bsg_eval segments through windows: what overlaps is averaged, what each needs is added") {
  const TemporaryFolder folder;
  const std::string scenes = scenes_in(folder, {{32, 48}, {32, 48}});
  const std::string weights = untrained_weights(folder, "pspnet18_bas", 3);
  const Json whole = evaluated(folder, scenes, weights);
  // One window that is the image.
  const Json one = evaluated(folder, scenes, weights, {"--window", "32,48", "--execution", "gated"});
  for (const char* key : {"mean_iou", "pixel_accuracy", "macs_mean", "density_per_layer"})
    CHECK(one[key] == whole[key]);
  CHECK(one["loss"].get<double>() == Approx(whole["loss"].get<double>()).epsilon(1e-4));
  CHECK(one["windows"]["width"] == 48);
  // Three windows beside each other, at columns 0, 8 and 16; one at once or all: the same.
  const Json three = evaluated(folder, scenes, weights, {"--window", "32,32", "--overlap", "0.75"});
  const Json single = evaluated(folder, scenes, weights,
                                {"--window", "32,32", "--overlap", "0.75", "--batch", "1", "--execution", "gated"});
  const Json two = evaluated(folder, scenes, weights, {"--window", "32,32", "--execution", "gated"});
  CHECK(three["macs_dense"].get<std::int64_t>() * 2 == two["macs_dense"].get<std::int64_t>() * 3);
  CHECK(three["macs_mean"] < three["macs_dense"]);
  CHECK(three["max_abs_difference"] <= 1e-3);
  for (const char* key : {"mean_iou", "loss", "macs_mean", "density_per_layer"}) CHECK(single[key] == three[key]);
  // A window larger than the image sees its mean around it.
  CHECK(evaluated(folder, scenes, weights, {"--window", "64,64", "--execution", "gated"})["images"] == 2);
}

TEST_CASE("bsg_eval: the emulated device segments as the CPU does") {
  const TemporaryFolder folder;
  const std::string scenes = scenes_in(folder, {{12, 16}});
  const std::string weights = untrained_weights(folder, "pspnet18_bas", 3);
  const Json cpu = evaluated(folder, scenes, weights, {"--execution", "gated"});
  const Json device = evaluated(folder, scenes, weights, {"--execution", "gated", "--device", "simt"});
  CHECK(device["density_per_layer"] == cpu["density_per_layer"]);
  CHECK(device["loss"].get<double>() == Approx(cpu["loss"].get<double>()).epsilon(1e-4));
}

TEST_CASE("bsg_eval: classes of pixels and classes of images are not mixed up") {
  const TemporaryFolder folder;
  const std::string scenes = scenes_in(folder, {{20, 24}}), pixels = untrained_weights(folder, "pspnet18", 3),
                    images = untrained_weights(folder, "resnet20", 3);
  const auto fails = [&](const std::vector<std::string>& arguments, int status, const std::string& message) {
    const ProgramResult result = test::run_program("bsg_eval", arguments);
    CAPTURE(arguments);
    CHECK(result.status == status);
    CHECK_THAT(result.err, Contains(message));
    CHECK(result.err.find('\n') == result.err.size() - 1);
  };
  fails({"--data", scenes, "--arch", "resnet20", "--weights", images}, 2,
        "resnet20 tells classes of images, the data has classes of pixels");
  const std::vector<std::string> good = {"--arch", "pspnet18", "--weights", pixels};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), good.begin(), good.end());
    return more;
  };
  fails(with({"--data", "synthetic"}), 2, "pspnet18 tells classes of pixels, the data has classes of images");
  fails(with({"--data", scenes, "--logits", folder / "logits"}), 2, "--logits: pspnet18 tells classes of pixels");
  fails(with({"--data", scenes, "--window", "0,16"}), 2, "--window");
  write_text_file(scenes + "/classes.txt", "sky\nroad\n");
  fails(with({"--data", scenes}), 2, "tells 3 classes apart, the data has 2: sky, road");
}
