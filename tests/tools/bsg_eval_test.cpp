#include <cmath>
#include <numeric>
#include <sstream>

#include <nlohmann/json.hpp>

#include "data/decode.hpp"
#include "engine/core/file.hpp"
#include "engine/core/safetensors.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/program.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/tools/untrained_weights.hpp"

using namespace bsg;
using bsg::test::ProgramResult;
using bsg::test::TemporaryFolder;
using bsg::test::untrained_weights;
using Catch::Matchers::Contains;
using Json = nlohmann::json;

namespace {

constexpr const char* kRecipe = R"(
[model]
arch = "resnet20_bas"
gate_hidden = 8
[data]
synthetic_train = 64
synthetic_test = 50
synthetic_seed = 4
[train]
epochs = 1
batch = 16
)";

// A checkpoint of a network that was trained for a moment.
std::string checkpoint_in(const TemporaryFolder& folder) {
  write_text_file(folder / "recipe.toml", kRecipe);
  const ProgramResult result = test::run_program("bsg_train", {"--recipe", folder / "recipe.toml", "--data",
                                                               "synthetic", "--out", folder / "run", "--threads", "2"});
  INFO(result.err);
  REQUIRE(result.status == 0);
  return folder / "run/checkpoint-last.safetensors";
}

Json json_in(const TemporaryFolder& folder, const std::string& name) {
  return Json::parse(read_text_file(folder / name, 1 << 20));
}

}  // namespace

TEST_CASE("bsg_eval reports a checkpoint in both executions, as a table and as JSON") {
  const TemporaryFolder folder;
  const std::string checkpoint = checkpoint_in(folder);
  const ProgramResult result =
      test::run_program("bsg_eval", {"--checkpoint", checkpoint, "--data", "synthetic", "--batch", "16", "--threads",
                                     "2", "--json", folder / "out.json", "--logits", folder / "logits.safetensors"});
  INFO(result.err);
  REQUIRE(result.status == 0);
  CHECK_THAT(result.out, Contains("resnet20_bas from") && Contains("share of dense MACs") &&
                             Contains("dense execution") && Contains("gated execution") &&
                             Contains("on the easy third") && Contains("layer3.2"));

  const Json json = json_in(folder, "out.json");
  CHECK(json["images"] == 50);
  CHECK(json["arch"] == "resnet20_bas");
  CHECK(json["macs_dense"] == 40551040);
  const double density = json["density"];
  CHECK(density > 0);
  CHECK(density <= 1);
  CHECK(json["density_per_layer"].size() == 9);
  CHECK(json["macs_min"] <= json["macs_mean"]);
  CHECK(json["macs_mean"] <= json["macs_max"]);
  for (const char* key : {"density_easiest_tenth", "density_hardest_tenth", "density_easy", "density_hard"})
    CHECK(json[key].is_number());
  CHECK(json["gates"]["count"] == 336);
  CHECK(json["gates"]["conditional"].get<double>() + json["gates"]["always_on"].get<double>() +
            json["gates"]["always_off"].get<double>() ==
        Approx(1));
  for (const char* execution : {"dense", "gated"}) {
    CHECK(json["executions"][execution]["images_per_second"] > 0);
    CHECK(json["executions"][execution]["top1"] == json["top1"]);
  }
  CHECK(json["max_abs_difference"] <= 1e-3);
  CHECK(json["top5"] >= json["top1"]);
  CHECK(json["top5"] <= 100);
  CHECK_FALSE(json.contains("mean_iou"));

  // What the trainer measured on the same images in its last epoch.
  const std::string metrics = read_text_file(folder / "run/metrics.jsonl", 1 << 20);
  const Json last = Json::parse(metrics.substr(metrics.rfind('{')));
  REQUIRE(last["split"] == "test");
  CHECK(json["top1"].get<double>() == Approx(last["top1"].get<double>()));
  CHECK(json["loss"].get<double>() == Approx(last["loss_task"].get<double>()).epsilon(1e-4));
  CHECK(density == Approx(last["density"].get<double>()).margin(1e-3));

  Context context;
  const SafetensorsFile outputs = read_safetensors(context, folder / "logits.safetensors");
  REQUIRE(outputs.find("logits")->shape() == Shape{50, 10});
  REQUIRE(outputs.find("labels")->shape() == Shape{50});
  REQUIRE(outputs.find("gates")->shape() == Shape{50, 336});
  const auto gates = outputs.find("gates")->span<std::uint8_t>();
  CHECK(std::accumulate(gates.begin(), gates.end(), 0.0) / (50 * 336) == Approx(density));
}

TEST_CASE("bsg_eval tells of each image, and shows those that use the fewest and the most channels") {
  const TemporaryFolder folder;
  const std::string checkpoint = checkpoint_in(folder);
  const std::vector<std::string> arguments = {"--checkpoint",
                                              checkpoint,
                                              "--data",
                                              "synthetic",
                                              "--limit",
                                              "30",
                                              "--threads",
                                              "2",
                                              "--execution",
                                              "gated",
                                              "--json",
                                              folder / "out.json",
                                              "--per-image",
                                              folder / "images.jsonl",
                                              "--save-predictions",
                                              folder / "new/pictures"};
  const ProgramResult result = test::run_program("bsg_eval", arguments);
  INFO(result.err);
  REQUIRE(result.status == 0);
  CHECK_THAT(result.out, Contains("top-5"));

  const Json json = json_in(folder, "out.json");
  std::istringstream lines(read_text_file(folder / "images.jsonl", 1 << 20));
  std::vector<Json> images;
  for (std::string line; std::getline(lines, line);) images.push_back(Json::parse(line));
  REQUIRE(images.size() == 30);
  double loss = 0, right = 0, density = 0, macs = 0;
  for (std::size_t i = 0; i < images.size(); ++i) {
    CHECK(images[i]["index"] == i);
    CHECK_FALSE(images[i]["source"].get<std::string>().empty());
    CHECK_FALSE(images[i]["label"].get<std::string>().empty());
    CHECK(images[i]["density_per_layer"].size() == 9);
    loss += images[i]["loss"].get<double>() / 30;
    right += images[i]["right"].get<bool>() ? 100.0 / 30 : 0;
    density += images[i]["density"].get<double>() / 30;
    macs += images[i]["macs"].get<double>() / 30;
  }
  CHECK(loss == Approx(json["loss"].get<double>()));
  CHECK(right == Approx(json["top1"].get<double>()));
  CHECK(density == Approx(json["density"].get<double>()));
  CHECK(macs == Approx(json["macs_mean"].get<double>()));

  const Json shown = json_in(folder, "new/pictures/predictions.json");
  CHECK(shown["file"] == "channels.png");
  REQUIRE(shown["fewest_channels"].size() == 10);
  REQUIRE(shown["most_channels"].size() == 10);
  for (const Json& image : images) {
    CHECK(image["density"] >= shown["fewest_channels"][0]["density"]);
    CHECK(image["density"] <= shown["most_channels"][9]["density"]);
  }
  const data::Image sheet =
      data::decode_image(read_file(folder / "new/pictures/channels.png", 1 << 24), "channels.png");
  CHECK(sheet.width == 10 * 100 + 4);
  CHECK(sheet.height == 2 * 100 + 4);

  // The same again, into the folder that is there by now.
  CHECK(test::run_program("bsg_eval", arguments).status == 0);
}

TEST_CASE("bsg_eval evaluates anyone's weights, one execution, part of the data") {
  const TemporaryFolder folder;
  const std::string weights = untrained_weights(folder, "resnet20", 10);
  const ProgramResult result =
      test::run_program("bsg_eval", {"--arch", "resnet20", "--weights", weights, "--data", "synthetic", "--split",
                                     "train", "--limit", "30", "--execution", "dense", "--mean", "0.5,0.5,0.5", "--std",
                                     "0.25,0.25,0.25", "--json", folder / "out.json"});
  INFO(result.err);
  REQUIRE(result.status == 0);
  const Json json = json_in(folder, "out.json");
  CHECK(json["images"] == 30);
  CHECK(json["density"] == 1);
  CHECK(json["macs_mean"] == 40551040);
  CHECK(json["executions"].contains("dense"));
  CHECK_FALSE(json["executions"].contains("gated"));
  CHECK(json["max_abs_difference"].is_null());
  CHECK_FALSE(json.contains("gates"));

  // The normalisation matters: other numbers, other loss.
  REQUIRE(test::run_program("bsg_eval", {"--arch", "resnet20", "--weights", weights, "--data", "synthetic", "--split",
                                         "train", "--limit", "30", "--json", folder / "other.json"})
              .status == 0);
  CHECK(json_in(folder, "other.json")["loss"] != json["loss"]);
}

TEST_CASE("bsg_eval: the emulated device gives the CPU's results") {
  const TemporaryFolder folder;
  const std::string weights = untrained_weights(folder, "resnet20_bas", 10);
  const auto evaluate = [&](const std::string& device, const std::string& name) {
    const ProgramResult result =
        test::run_program("bsg_eval", {"--arch", "resnet20_bas", "--weights", weights, "--data", "synthetic", "--limit",
                                       "3", "--batch", "2", "--device", device, "--json", folder / name});
    INFO(result.err);
    REQUIRE(result.status == 0);
    return json_in(folder, name);
  };
  const Json cpu = evaluate("cpu", "cpu.json"), device = evaluate("simt", "simt.json");
  CHECK(device["device"] == "simt");
  CHECK(device["images"] == 3);
  CHECK(device["top1"] == cpu["top1"]);
  CHECK(device["macs_mean"] == cpu["macs_mean"]);
  CHECK(device["density_per_layer"] == cpu["density_per_layer"]);
  CHECK(device["loss"].get<double>() == Approx(cpu["loss"].get<double>()).epsilon(1e-4));
  CHECK(device["executions"]["gated"]["images_per_second"] > 0);
}

TEST_CASE("bsg_eval: bad usage and bad input are one line and status 2, a file that cannot be written is 1") {
  const TemporaryFolder folder;
  const std::string weights = untrained_weights(folder, "resnet20", 10),
                    seven = untrained_weights(folder, "resnet32", 7);
  write_text_file(folder / "text.safetensors", "no tensors in here");
  const auto fails = [&](const std::vector<std::string>& arguments, int status, const std::string& message) {
    const ProgramResult result = test::run_program("bsg_eval", arguments);
    CAPTURE(arguments);
    CHECK(result.status == status);
    CHECK_THAT(result.err, Contains(message));
    CHECK(result.err.find('\n') == result.err.size() - 1);
  };
  fails({"--data", "synthetic"}, 2, "--checkpoint, or --arch with --weights");
  fails({"--data", "synthetic", "--arch", "resnet20"}, 2, "--weights");
  fails({"--data", "synthetic", "--weights", weights}, 2, "--arch");
  fails({"--arch", "resnet20", "--weights", weights}, 2, "--data");
  fails({"--data", "synthetic", "--arch", "resnet21", "--weights", weights}, 2, "resnet21");
  fails({"--data", "synthetic", "--arch", "resnet20_bas", "--weights", weights}, 2, "layer1.0.gate.fc1.weight");
  fails({"--data", "synthetic", "--arch", "resnet32", "--weights", seven}, 2, "tells 7 classes apart, the data has 10");
  fails({"--data", "synthetic", "--arch", "resnet20", "--weights", folder / "text.safetensors"}, 2, "text.safetensors");
  fails({"--data", "synthetic", "--checkpoint", weights}, 2, "no checkpoint of this program");
  fails({"--data", folder / "none", "--arch", "resnet20", "--weights", weights}, 2, "none");
  const std::vector<std::string> good = {"--data",    "synthetic", "--arch",  "resnet20",
                                         "--weights", weights,     "--limit", "2"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), good.begin(), good.end());
    return more;
  };
  fails(with({"--execution", "sparse"}), 2, "sparse");
  fails(with({"--mean", "0.5,0.5"}), 2, "--mean");
  fails(with({"--std", "0,1,1"}), 2, "--std");
  fails(with({"--device", "tpu"}), 2, "tpu");
  fails(with({"--precision", "f16"}), 2, "f16");
  fails(with({"--device", "cpu", "--precision", "bf16"}), 2, "precision bf16 on device cpu");
  fails(with({"--batch", "0"}), 2, "--batch");
  fails(with({"--window", "16,16"}), 2, "--window: resnet20 tells classes of whole images");
  fails(with({"--window", "16,16", "--overlap", "1"}), 2, "--overlap");
  fails(with({"--overlap", "0.5"}), 2, "--window");
  fails(with({"--save-predictions", folder / "pictures"}), 2, "resnet20 has no gates");
  fails(with({"--per-image", folder / "no/such/folder.jsonl"}), 1, "folder.jsonl");
  const std::string gated = untrained_weights(folder, "resnet20_bas", 10);
  fails({"--data", "synthetic", "--arch", "resnet20_bas", "--weights", gated, "--save-predictions", gated}, 2,
        "resnet20_bas.safetensors: exists and is no folder");
  fails(with({"--json", folder / "no/such/folder.json"}), 1, "folder.json");
}
