#include <chrono>
#include <csignal>
#include <filesystem>
#include <random>

#include "engine/core/file.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/program.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace bsg;
using bsg::test::Disturbance;
using bsg::test::ProgramResult;
using bsg::test::run_program;
using bsg::test::TemporaryFolder;
using Catch::Matchers::Contains;

namespace {

constexpr const char* kRecipe = R"(
[model]
arch = "resnet20_bas"
[data]
synthetic_train = 24
synthetic_test = 8
crop_padding = 2
[train]
epochs = 3
batch = 4
eval_batch = 8
[batch_shaping]
end_epoch = 2
[l0]
end_epoch = 3
)";

// bsg_train on a few of the built-in images.
ProgramResult train(const TemporaryFolder& folder, const std::string& out, std::vector<std::string> more = {},
                    const Disturbance& disturbance = {}) {
  write_text_file(folder / "recipe.toml", kRecipe);
  std::vector<std::string> arguments = {"--recipe", folder / "recipe.toml", "--data",    "synthetic",
                                        "--out",    folder / out,           "--threads", "2"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return run_program("bsg_train", arguments, disturbance);
}

// How long the whole run takes here: a tenth as fast under sanitizers on a busy machine as otherwise.
std::chrono::milliseconds time_whole_run(const TemporaryFolder& folder) {
  const auto start = std::chrono::steady_clock::now();
  REQUIRE(train(folder, "whole").status == 0);
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
}

std::vector<std::byte> last_checkpoint(const TemporaryFolder& folder, const std::string& out) {
  return read_file(folder / out + "/checkpoint-last.safetensors", 1 << 28);
}

}  // namespace

TEST_CASE("bsg_train writes a run's folder, and one thread gives the bits of two") {
  const TemporaryFolder folder;
  const ProgramResult result = train(folder, "a");
  INFO(result.err);
  REQUIRE(result.status == 0);
  CHECK_THAT(result.out, Contains("epoch 3/3 test") && Contains("done: best top-1"));
  for (const char* name :
       {"recipe.toml", "inputs.json", "metrics.jsonl", "checkpoint-last.safetensors", "checkpoint-best.safetensors"})
    CHECK(std::filesystem::exists(folder / "a/" + name));
  REQUIRE(train(folder, "b", {"--threads", "1", "--set", "data.workers=2"}).status == 2);  // given twice
  write_text_file(folder / "recipe.toml", kRecipe);
  REQUIRE(run_program("bsg_train", {"--recipe", folder / "recipe.toml", "--data", "synthetic", "--out", folder / "b",
                                    "--threads", "1"})
              .status == 0);
  CHECK(last_checkpoint(folder, "a") == last_checkpoint(folder, "b"));
  const ProgramResult again = train(folder, "a");
  CHECK(again.status == 2);
  CHECK_THAT(again.err, Contains("a run lies here already"));
}

TEST_CASE("Ctrl-C ends bsg_train with a checkpoint, and --resume ends in the same bits") {
  const TemporaryFolder folder;
  // The first at once, the others after a while.
  const Disturbance interrupt{SIGINT, time_whole_run(folder) / 5, "from epoch"};
  ProgramResult part = train(folder, "parts", {}, {SIGINT, {}, "from epoch"});
  int interruptions = 0;
  for (; part.status == 130 && interruptions < 100; ++interruptions) {
    REQUIRE(std::filesystem::exists(folder / "parts/checkpoint-last.safetensors"));
    CHECK_THAT(part.out, Contains("--resume continues"));
    part = train(folder, "parts", {"--resume"}, interrupt);
  }
  INFO(part.err);
  REQUIRE(part.status == 0);
  CHECK(interruptions >= 1);
  CHECK(last_checkpoint(folder, "whole") == last_checkpoint(folder, "parts"));
}

TEST_CASE("a bsg_train that is killed at any moment resumes to the same bits") {
  const TemporaryFolder folder;
  const auto whole = time_whole_run(folder);
  std::mt19937 random(1);
  int kills = 0;
  ProgramResult part{128 + SIGKILL, {}, {}};
  while (part.status == 128 + SIGKILL && kills < 200) {
    // Longer and longer, so that every run comes past the checkpoint that it began with at last; short enough at first
    // for a machine that has become faster since the whole run.
    const auto after = whole * (2 + 2 * kills * kills + static_cast<int>(random() % 4)) / 100;
    part = train(folder, "killed", {"--resume"}, {SIGKILL, after});
    kills += part.status == 128 + SIGKILL ? 1 : 0;
  }
  INFO(part.err);
  REQUIRE(part.status == 0);
  CHECK(kills >= 2);
  CHECK(last_checkpoint(folder, "whole") == last_checkpoint(folder, "killed"));
}

TEST_CASE("bsg_train names what is wrong with its input and ends with status 2") {
  const TemporaryFolder folder;
  const auto message_of = [&](const std::vector<std::string>& more) {
    const ProgramResult result = train(folder, "run", more);
    CHECK(result.status == 2);
    CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
    CHECK_FALSE(std::filesystem::exists(folder / "run"));
    return result.err;
  };
  CHECK_THAT(message_of({"--set", "train.epoch=1"}), Contains("train.epochs"));
  CHECK_THAT(message_of({"--set", "train.batch=0"}), Contains("train.batch"));
  CHECK_THAT(message_of({"--set", "train.batch=49"}), Contains("49"));
  CHECK_THAT(message_of({"--set", "model.arch=resnet21"}), Contains("resnet21") && Contains("resnet20"));
  CHECK_THAT(message_of({"--device", "tpu"}), Contains("tpu"));
  CHECK_THAT(message_of({"--device", "cpu", "--set", "train.precision=bf16"}),
             Contains("train.precision = bf16: device cpu computes f32"));
  CHECK_THAT(message_of({"--nonsense"}), Contains("--nonsense"));
  const ProgramResult none =
      run_program("bsg_train", {"--recipe", folder / "none.toml", "--data", "synthetic", "--out", folder / "run"});
  CHECK(none.status == 2);
  CHECK_THAT(none.err, Contains("none.toml"));
  const ProgramResult no_data = run_program(
      "bsg_train", {"--recipe", folder / "recipe.toml", "--data", folder / "nowhere", "--out", folder / "run"});
  CHECK(no_data.status == 2);
  CHECK_THAT(no_data.err, Contains("nowhere"));
}

TEST_CASE("a full disk ends bsg_train with status 1 and one line") {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "run");
  std::filesystem::create_symlink("/dev/full", folder / "run/metrics.jsonl");
  const ProgramResult result = train(folder, "run", {"--resume"});
  CHECK(result.status == 1);
  CHECK_THAT(result.err, Contains("metrics.jsonl") && Contains("No space left"));
}
