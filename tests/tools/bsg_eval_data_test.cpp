// bsg_eval on other people's weights and real images.
#include <cmath>

#include <nlohmann/json.hpp>

#include "data/decode.hpp"
#include "engine/core/file.hpp"
#include "engine/core/safetensors.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/program.hpp"
#include "tests/support/real_data.hpp"
#include "tests/support/skip.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/tools/untrained_weights.hpp"

using namespace bsg;

TEST_CASE("bsg_eval gives the accuracy and the logits that PyTorch gives for the same ResNet-20", "[data]") {
  const std::string weights = test::find_real_data("reference/resnet20-12fca82f.safetensors");
  const std::string reference = test::find_real_data("reference/resnet20-12fca82f-logits.safetensors");
  if (weights.empty() || reference.empty())
    return test::skip("no reference/resnet20-12fca82f.safetensors with its logits (BSG_DATA names the folder)");
  const std::string data = test::cifar10_jpeg();
  if (data.empty()) return;

  const test::TemporaryFolder folder;
  const auto result =
      test::run_program("bsg_eval", {"--arch", "resnet20", "--weights", weights, "--mean", "0.485,0.456,0.406", "--std",
                                     "0.229,0.224,0.225", "--data", data, "--threads", "2", "--execution", "gated",
                                     "--json", folder / "out.json", "--logits", folder / "logits.safetensors"});
  INFO(result.err);
  REQUIRE(result.status == 0);
  const auto json = nlohmann::json::parse(read_text_file(folder / "out.json", 1 << 20));
  CHECK(json["images"] == 10000);
  CHECK(json["top1"].get<double>() == Approx(81.03).margin(0.05));
  CHECK(json["macs_mean"] == 40551040);

  // The reference has the first 20 images of each class, in the order of the classes.
  Context context;
  const Tensor expected = *read_safetensors(context, reference).find("logits");
  const Tensor logits = *read_safetensors(context, folder / "logits.safetensors").find("logits");
  REQUIRE(expected.shape() == Shape{200, 10});
  REQUIRE(logits.shape() == Shape{10000, 10});
  double difference = 0;
  for (std::int64_t row = 0; row < 200; ++row)
    for (std::int64_t k = 0; k < 10; ++k)
      difference = std::max<double>(difference, std::abs(expected.data<float>()[row * 10 + k] -
                                                         logits.data<float>()[(row / 20 * 1000 + row % 20) * 10 + k]));
  CHECK(difference <= 1e-3);
}

TEST_CASE("bsg_eval segments CamVid's scenes, whole and through windows, and shows them", "[data]") {
  const std::string scenes = test::camvid();
  if (scenes.empty()) return;
  const test::TemporaryFolder folder;
  const std::string weights = test::untrained_weights(folder, "pspnet18_bas", 11);
  for (const bool windows : {false, true}) {
    std::vector<std::string> arguments = {"--arch",
                                          "pspnet18_bas",
                                          "--weights",
                                          weights,
                                          "--data",
                                          scenes,
                                          "--limit",
                                          "1",
                                          "--execution",
                                          "gated",
                                          "--json",
                                          folder / "out.json",
                                          "--save-predictions",
                                          folder / "pictures"};
    if (windows) arguments.insert(arguments.end(), {"--window", "240,320", "--overlap", "0"});
    const auto result = test::run_program("bsg_eval", arguments);
    INFO(result.err);
    REQUIRE(result.status == 0);
    const auto json = nlohmann::json::parse(read_text_file(folder / "out.json", 1 << 20));
    CHECK(json["images"] == 1);
    CHECK(json["iou_per_class"].contains("Bicyclist"));
    CHECK(json["loss"] > 1);
    const auto shown = nlohmann::json::parse(read_text_file(folder / "pictures/predictions.json", 1 << 20));
    REQUIRE(shown["pictures"].size() == 1);
    CHECK(shown["colors"]["Sky"] == std::vector<int>{128, 128, 128});
    const std::string name = folder / ("pictures/" + shown["pictures"][0]["file"].get<std::string>());
    const data::Image picture = data::decode_image(read_file(name, 1 << 24), name);
    CHECK(picture.height == 360);
    CHECK(picture.width == 3 * 480 + 2 * 4);
  }
}

TEST_CASE("bsg_eval shows which photographs use the fewest and the most channels", "[data]") {
  const std::string photographs = test::photographs();
  if (photographs.empty()) return;
  const test::TemporaryFolder folder;
  const std::string weights = test::untrained_weights(folder, "resnet18_bas", 100);
  const auto result =
      test::run_program("bsg_eval", {"--arch", "resnet18_bas", "--weights", weights, "--data", photographs, "--limit",
                                     "20", "--batch", "10", "--execution", "gated", "--json", folder / "out.json",
                                     "--save-predictions", folder / "pictures"});
  INFO(result.err);
  REQUIRE(result.status == 0);
  CHECK(nlohmann::json::parse(read_text_file(folder / "out.json", 1 << 20))["top5"].is_number());
  const auto shown = nlohmann::json::parse(read_text_file(folder / "pictures/predictions.json", 1 << 20));
  CHECK(shown["fewest_channels"][0]["density"] <= shown["most_channels"][9]["density"]);
  const std::string name = folder / "pictures/channels.png";
  CHECK(data::decode_image(read_file(name, 1 << 24), name).width == 1004);
}
