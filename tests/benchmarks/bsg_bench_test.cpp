// The program, as a user runs it.
#include <algorithm>

#include "benchmarks/bsg_bench/result.hpp"
#include "engine/core/file.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/program.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace bsg;
using bsg::test::ProgramResult;
using bsg::test::TemporaryFolder;
using Catch::Matchers::Contains;

namespace {

bench::Results run(const TemporaryFolder& folder, std::vector<std::string> arguments) {
  const std::string file = folder / "out.json";
  arguments.insert(arguments.end(), {"--quick", "--rounds", "1", "--json", file});
  const ProgramResult result = test::run_program("bsg_bench", arguments);
  INFO(result.err);
  REQUIRE(result.status == 0);
  return bench::parse_results(read_text_file(file, 1 << 24), file);
}

std::int64_t lines_of(const bench::Results& results, const std::string& suite) {
  return std::count_if(results.lines.begin(), results.lines.end(),
                       [&](const bench::Line& line) { return line.suite == suite; });
}

}  // namespace

TEST_CASE("bsg_bench runs every suite on the CPU", "[bench]") {
  const TemporaryFolder folder;
  const bench::Results results =
      run(folder, {"--device", "cpu", "--threads", "2", "--density", "1,0.5", "--worst-cases", "--seed", "7"});
  CHECK(results.seed == 7);
  CHECK(results.machine.device == "cpu");
  CHECK(results.machine.threads == 2);
  CHECK_THAT(results.command, Contains("--density 1,0.5"));
  // Three layers, sides and two batches: dense, two densities, five worst cases.
  CHECK(lines_of(results, "gated_conv") == 3 * 3 * 2 * 8);
  for (const char* suite : {"gate", "batch_shaping", "conv2d", "network", "training"})
    CHECK(lines_of(results, suite) > 0);
  for (const bench::Line& line : results.lines) {
    CAPTURE(line.key());
    CHECK(line.seconds.median > 0);
    CHECK(line.seconds.samples == 1);
    if (line.suite == "gated_conv" || line.suite == "network") {
      REQUIRE(line.ratio);
      CHECK(line.active_macs <= line.dense_macs * 1.001);  // gating modules count
      CHECK(line.share_of_peak > 0);
      if (line.gates == "dense") CHECK((line.ratio->median == 1 && line.active_macs == line.dense_macs));
    }
  }
}

TEST_CASE("bsg_bench runs every suite on the emulator, and says what its times are worth", "[bench]") {
  const TemporaryFolder folder;
  const ProgramResult result = test::run_program(
      "bsg_bench", {"--device", "simt", "--quick", "--rounds", "1", "--density", "0.5", "--json", folder / "out.json"});
  INFO(result.err);
  REQUIRE(result.status == 0);
  CHECK_THAT(result.out, Contains("times mean nothing"));
  const bench::Results results = bench::parse_results(read_text_file(folder / "out.json", 1 << 24), "out.json");
  CHECK(results.machine.device == "simt");
  for (const char* suite : {"gated_conv", "gate", "batch_shaping", "network", "training"})
    CHECK(lines_of(results, suite) > 0);
}

TEST_CASE("bsg_bench times a trained network with the gates that images get", "[bench]") {
  const TemporaryFolder folder;
  write_text_file(folder / "recipe.toml", R"(
[model]
arch = "resnet20_bas"
[data]
synthetic_train = 64
synthetic_test = 50
[train]
epochs = 1
batch = 32
)");
  REQUIRE(test::run_program("bsg_train", {"--recipe", folder / "recipe.toml", "--data", "synthetic", "--out",
                                          folder / "run", "--threads", "2"})
              .status == 0);
  const std::string checkpoint = folder / "run/checkpoint-last.safetensors";
  const bench::Results results = run(folder, {"--suite", "network", "--checkpoint", checkpoint, "--data", "synthetic",
                                              "--batch", "8", "--threads", "2", "--device", "cpu"});
  REQUIRE(results.lines.size() == 2);
  CHECK(results.lines[1].gates == "recorded");
  CHECK(results.lines[1].active_macs < results.lines[1].dense_macs * 1.01);

  // Two convolutions in each of nine blocks: dense, and with the gates of their block.
  const bench::Results layers = run(folder, {"--suite", "gated_conv", "--checkpoint", checkpoint, "--data", "synthetic",
                                             "--batch", "4", "--threads", "2", "--device", "cpu"});
  CHECK(layers.lines.size() == 9 * 2 * 2);
  CHECK(layers.lines[3].key() == "gated_conv / layer1.0 16>16 32x32, in, batch 4 / recorded");

  const ProgramResult too_many = test::run_program(
      "bsg_bench",
      {"--suite", "network", "--checkpoint", checkpoint, "--data", "synthetic", "--batch", "51", "--device", "cpu"});
  CHECK(too_many.status == 2);
  CHECK_THAT(too_many.err, Contains("holds 50 test images, a batch of 51 was asked for"));
}

TEST_CASE("bsg_bench times networks that tell pixels apart, with the channels that they are asked to have", "[bench]") {
  const TemporaryFolder folder;
  const auto macs_of = [&](const char* base_channels) {
    const bench::Results results =
        run(folder, {"--suite", "network,training", "--arch", "pspnet18_bas", "--base-channels", base_channels,
                     "--image-size", "40", "--batch", "2", "--density", "0.5", "--threads", "2", "--device", "cpu"});
    CHECK(lines_of(results, "network") == 2);
    CHECK(lines_of(results, "training") == 3);
    return results.lines.front().dense_macs;
  };
  const double narrow = macs_of("4"), wide = macs_of("8");
  // All but the stem, whose inputs are the three colours, and the last layers, whose outputs are the classes.
  CHECK((wide > 3 * narrow && wide < 4 * narrow));
}

TEST_CASE("bsg_bench compares two files", "[bench]") {
  const TemporaryFolder folder;
  bench::Results results = run(folder, {"--suite", "gate", "--batch", "16", "--device", "cpu"});
  const std::string before = folder / "before.json", after = folder / "after.json";
  write_text_file(before, bench::to_json(results));
  for (bench::Line& line : results.lines) line.seconds.median *= 2;
  write_text_file(after, bench::to_json(results));
  const ProgramResult same = test::run_program("bsg_bench", {"compare", before, before});
  CHECK(same.status == 0);
  CHECK_THAT(same.out, Contains("0 faster, 0 slower"));
  const ProgramResult slower = test::run_program("bsg_bench", {"compare", before, after});
  CHECK(slower.status == 0);
  CHECK_THAT(slower.out, Contains("2 slower") && Contains("geometric mean of B / A 2.000"));
}

TEST_CASE("bsg_bench: bad usage and bad input are one line and status 2", "[bench]") {
  const TemporaryFolder folder;
  write_text_file(folder / "text.json", "no results");
  const auto fails = [&](const std::vector<std::string>& arguments, const std::string& message) {
    const ProgramResult result = test::run_program("bsg_bench", arguments);
    CAPTURE(arguments);
    CHECK(result.status == 2);
    CHECK_THAT(result.err, Contains(message));
    CHECK(result.err.find('\n') == result.err.size() - 1);
  };
  fails({"--suite", "speed"}, "speed");
  fails({"--density", "1.5"}, "--density");
  fails({"--density", "half"}, "half");
  fails({"--batch", "0"}, "--batch");
  fails({"--device", "tpu"}, "tpu");
  fails({"--threads", "0"}, "--threads");
  fails({"--seed", "-1"}, "-1");
  fails({"--rounds", "3", "--min-time", "1"}, "--rounds");
  fails({"--device", "cpu", "--precision", "bf16"}, "device cpu computes f32");
  fails({"--device", "cpu", "--vendor"}, "--vendor: device cpu");
  fails({"--device", "cpu", "--clock", "processor", "--threads", "2"}, "needs --threads 1");
  fails({"--device", "cpu", "--cache", "cold"}, "--cache cold");
  fails({"--checkpoint", "x"}, "--checkpoint and --data");
  fails({"--device", "cpu", "--suite", "gate", "--filter", "nothing of that name"}, "nothing is left");
  fails({"--device", "cpu", "--suite", "network", "--arch", "resnet21"}, "resnet21");
  fails({"--device", "cpu", "--suite", "network", "--checkpoint", folder / "none", "--data", "synthetic"}, "none");
  fails({"compare", folder / "text.json", folder / "text.json"}, "no results of bsg_bench");
  fails({"compare", folder / "none.json", folder / "text.json"}, "none.json");
  fails({"compare"}, "required");
}
