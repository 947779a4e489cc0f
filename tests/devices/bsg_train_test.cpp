// bsg_train on the emulated device, as its users run it.
#include <sstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/core/file.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/program.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace bsg;
using bsg::test::ProgramResult;
using bsg::test::run_program;
using bsg::test::TemporaryFolder;
using Catch::Matchers::Contains;

TEST_CASE("bsg_train in bf16 learns on the emulated device, and an interrupted run resumes to the same bits") {
  const TemporaryFolder folder;
  write_text_file(folder / "recipe.toml", R"(
[model]
arch = "resnet20_bas"
[data]
synthetic_train = 2
synthetic_test = 2
flip = false
crop_padding = 0
[train]
epochs = 4
batch = 2
eval_batch = 2
eval_every = 4
precision = "bf16"
[optimizer]
lr = 0.05
)");
  const auto run = [&](const std::string& out, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"--recipe", folder / "recipe.toml", "--data",   "synthetic",
                                          "--out",    folder / out,           "--device", "simt"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program("bsg_train", arguments);
  };
  const ProgramResult whole = run("whole", {});
  INFO(whole.err);
  REQUIRE(whole.status == 0);
  std::vector<double> losses;
  std::istringstream rows(read_text_file(folder / "whole/metrics.jsonl", 1 << 20));
  for (std::string row; std::getline(rows, row);) {
    const nlohmann::json values = nlohmann::json::parse(row);
    if (values["split"] == "train") losses.push_back(values["loss"]);
  }
  REQUIRE(losses.size() == 4);
  CHECK(losses.back() < 0.8 * losses.front());
  REQUIRE(run("parts", {"--set", "train.epochs=2"}).status == 0);
  CHECK_THAT(run("parts", {"--resume", "--set", "train.precision=f32"}).err, Contains("train.precision"));
  REQUIRE(run("parts", {"--resume"}).status == 0);
  const std::string checkpoint = "/checkpoint-last.safetensors";
  CHECK(read_file(folder / "whole" + checkpoint, 1 << 28) == read_file(folder / "parts" + checkpoint, 1 << 28));
}
