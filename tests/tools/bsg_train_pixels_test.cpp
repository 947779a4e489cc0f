// bsg_train where pixels have classes, and where it starts from weights.
#include <filesystem>

#include <nlohmann/json.hpp>

#include "engine/core/file.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/program.hpp"
#include "tests/tools/scenes.hpp"
#include "tests/tools/untrained_weights.hpp"

using namespace bsg;
using bsg::test::ProgramResult;
using bsg::test::run_program;
using bsg::test::TemporaryFolder;
using Catch::Matchers::Contains;
using Json = nlohmann::json;

namespace {

constexpr const char* kRecipe = R"(
[model]
arch = "pspnet18_bas"
base_channels = 4
[data]
image_height = 40
image_width = 48
crop_height = 32
crop_width = 40
scale_min = 0.5
scale_max = 2.0
[train]
epochs = 2
batch = 2
eval_batch = 2
class_weights = "median_frequency"
[schedule]
kind = "constant"
[batch_shaping]
end_epoch = 1
[l0]
end_epoch = 2
)";

ProgramResult train(const TemporaryFolder& folder, const std::string& data, const std::string& out,
                    std::vector<std::string> more = {}) {
  write_text_file(folder / "recipe.toml", kRecipe);
  std::vector<std::string> arguments = {"--recipe", folder / "recipe.toml", "--data",    data,
                                        "--out",    folder / out,           "--threads", "2"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return run_program("bsg_train", arguments);
}

std::vector<std::byte> last_checkpoint(const TemporaryFolder& folder, const std::string& out) {
  return read_file(folder / out + "/checkpoint-last.safetensors", 1 << 28);
}

}  // namespace

TEST_CASE("bsg_train learns the classes of pixels, and goes on where it stopped to the same bits") {
  const TemporaryFolder folder;
  const std::string scenes = test::scenes_in(folder, {{40, 48}, {40, 48}, {40, 48}, {40, 48}});
  const ProgramResult whole = train(folder, scenes, "whole");
  INFO(whole.err);
  REQUIRE(whole.status == 0);
  CHECK_THAT(whole.out, Contains("mean IoU") && !Contains("top-1"));

  const std::string metrics = read_text_file(folder / "whole/metrics.jsonl", 1 << 20);
  const Json train_row = Json::parse(metrics.substr(0, metrics.find('\n')));
  CHECK(train_row["loss_auxiliary"].get<double>() > 0);
  CHECK(train_row["iou_per_class"].size() == 3);
  CHECK(train_row["mean_iou"].get<double>() > 0);
  CHECK_FALSE(train_row.contains("top1"));

  REQUIRE(train(folder, scenes, "parts", {"--set", "train.epochs=1"}).status == 0);
  REQUIRE(train(folder, scenes, "parts", {"--resume"}).status == 0);
  CHECK(last_checkpoint(folder, "parts") == last_checkpoint(folder, "whole"));

  // The checkpoint says how wide the network is, and what it was trained on.
  const ProgramResult evaluated =
      run_program("bsg_eval", {"--checkpoint", folder / "whole/checkpoint-last.safetensors", "--data", scenes,
                               "--threads", "2", "--json", folder / "out.json"});
  INFO(evaluated.err);
  REQUIRE(evaluated.status == 0);
  const std::size_t last_line = metrics.rfind('\n', metrics.size() - 2) + 1;
  const Json test_row = Json::parse(metrics.substr(last_line));
  const Json report = Json::parse(read_text_file(folder / "out.json", 1 << 20));
  CHECK(test_row["split"] == "test");
  CHECK(report["mean_iou"].get<double>() == Approx(test_row["mean_iou"].get<double>()));
}

TEST_CASE("bsg_train starts from the weights that network and file share") {
  const TemporaryFolder folder;
  const std::string scenes = test::scenes_in(folder, {{40, 48}, {40, 48}});
  const std::string backbone = test::untrained_weights(folder, "resnet18", 7);
  const std::vector<std::string> short_run = {"--set", "train.epochs=1",        "--set",     "l0.end_epoch=1",
                                              "--set", "model.base_channels=0", "--weights", backbone};
  const ProgramResult started = train(folder, scenes, "run", short_run);
  INFO(started.err);
  REQUIRE(started.status == 0);
  // conv1, five tensors of bn1 without its count, and so on: the ResNet's, less its classifier.
  CHECK_THAT(started.out, Contains("resnet18.safetensors: 100 tensors taken over"));

  // A run that was broken off before its first checkpoint has nothing to go on from.
  std::filesystem::create_directories(folder / "early");
  std::vector<std::string> again = short_run;
  again.push_back("--resume");
  const ProgramResult from_start = train(folder, scenes, "early", again);
  REQUIRE(from_start.status == 0);
  CHECK_THAT(from_start.out, Contains("100 tensors taken over"));
  // Not within CHECK, which would print megabytes.
  const bool same_bits = last_checkpoint(folder, "early") == last_checkpoint(folder, "run");
  CHECK(same_bits);
  const ProgramResult went_on =
      train(folder, scenes, "early",
            {"--resume", "--set", "train.epochs=2", "--set", "l0.end_epoch=1", "--set", "model.base_channels=0"});
  CHECK(went_on.status == 0);
  CHECK_THAT(went_on.out, !Contains("taken over"));
  const Json inputs = Json::parse(read_text_file(folder / "early/inputs.json", 1 << 20));
  CHECK(inputs == Json{{"data", scenes}, {"weights", backbone}, {"seed", 1}});

  std::vector<std::string> narrow = short_run;
  narrow[5] = "model.base_channels=4";
  const ProgramResult refused = train(folder, scenes, "refused", narrow);
  CHECK(refused.status == 2);
  CHECK_THAT(refused.err, Contains("resnet18.safetensors") && Contains("conv1.weight"));
  CHECK_FALSE(std::filesystem::exists(folder / "refused/metrics.jsonl"));
}

TEST_CASE("bsg_train refuses data that the network is not for") {
  const TemporaryFolder folder;
  const std::string scenes = test::scenes_in(folder, {{40, 48}, {40, 48}});
  const auto refusal = [&](const std::string& data, const std::vector<std::string>& more) {
    const ProgramResult result = train(folder, data, "run", more);
    CHECK(result.status == 2);
    return result.err;
  };
  CHECK_THAT(refusal("synthetic", {}),
             Contains("model.arch = pspnet18_bas: tells pixels apart, synthetic labels images"));
  CHECK_THAT(refusal(scenes, {"--set", "model.arch=resnet20_bas"}), Contains("resnet20_bas: tells images apart"));
  CHECK_THAT(refusal("synthetic", {"--set", "model.arch=resnet20_bas"}), Contains("train.class_weights"));
  CHECK_THAT(refusal(scenes, {"--set", "data.image_width=64"}), Contains("48") && Contains("64"));
}
