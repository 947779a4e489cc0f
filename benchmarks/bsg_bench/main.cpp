// bsg_bench: what the kernels and networks take, beside their own dense executions and the machine's peak.
#include "tools/common/main.hpp"

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "benchmarks/bsg_bench/compare.hpp"
#include "benchmarks/bsg_bench/suites.hpp"
#include "engine/core/error.hpp"
#include "engine/core/file.hpp"
#include "tools/common/validators.hpp"

namespace bsg::bench {
namespace {

constexpr std::uint64_t kMaxResultBytes = std::uint64_t{256} << 20;

// As a shell would take them, but for words with quotes in them.
std::string command_line(int argc, const char* const* argv) {
  std::string line;
  for (int i = 0; i < argc; ++i) {
    const std::string word = argv[i];
    const bool plain = word.find_first_of(" \t*?$\\|&;<>()") == std::string::npos && !word.empty();
    line += fmt::format("{}{}", i == 0 ? "" : " ", plain ? word : "'" + word + "'");
  }
  return line;
}

std::string suite_help() {
  std::string text = "Suites (all, if none is named):\n";
  for (const Suite& suite : suites()) text += fmt::format("  {:<14} {}\n", suite.name, suite.what);
  return text + "Columns and files are explained in docs/benchmarks.md.";
}

void run_suites(Options options, const std::string& command) {
  if (options.checkpoint.empty() != options.data.empty())
    throw_error<ConfigError>("--checkpoint and --data: each needs the other");
  if (options.quick) {
    options.min_seconds = 0;
    if (options.rounds == 0) options.rounds = 3;
  }
  Bench bench(options);
  if (bench.context().device() == Device::simt)
    fmt::print("The device is an emulator: times mean nothing, results are checked.\n");
  for (const Suite& suite : suites()) {
    const auto wanted = [&](const std::string& name) { return name == suite.name; };
    if (options.suites.empty() || std::any_of(options.suites.begin(), options.suites.end(), wanted)) suite.run(bench);
  }
  if (bench.results().lines.empty())
    throw_error<ConfigError>("--filter '{}': nothing is left to be measured", options.filter);
  if (options.json.empty()) return;
  Results results = bench.results();
  results.command = command;
  write_text_file(options.json, to_json(results));
}

}  // namespace
}  // namespace bsg::bench

int main(int argc, char** argv) {
  using namespace bsg;
  bench::Options options;
  options.threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  std::string before, after;
  double threshold = 0.03;

  CLI::App app{"Times kernels and networks beside their own dense executions and the machine's peak.", "bsg_bench"};
  app.footer(bench::suite_help());
  std::vector<std::string> names;
  for (const bench::Suite& suite : bench::suites()) names.emplace_back(suite.name);
  const auto list = [&](const char* name, auto& into, const char* what) {
    return app.add_option(name, into, what)->delimiter(',')->capture_default_str();
  };
  list("--suite", options.suites, "what to measure; may be repeated")->check(CLI::IsMember(names));
  list("--density", options.densities, "shares of gates that are on, each gate by its own coin")
      ->check(CLI::Range(0.0, 1.0));
  app.add_flag("--worst-cases", options.worst_cases,
               "gated_conv: also one channel on, the first half, every second, and half of the samples all off");
  list("--batch", options.batches, "images at once (default: the suite's own)")->check(CLI::Range(1, 65536));
  list("--arch", options.archs, "networks of the suites network and training");
  app.add_option("--image-size", options.image_size, "height and width of the images of noise that networks are given")
      ->check(CLI::Range(1, 4096));
  app.add_option("--base-channels", options.base_channels,
                 "of the first stage of networks for large images and for pixels, instead of 64")
      ->check(CLI::Range(1, 4096));
  app.add_option("--checkpoint", options.checkpoint,
                 "suites network and gated_conv: of bsg_train, with gates as its images have them");
  app.add_option("--data", options.data, "those images: what bsg_train takes as --data");
  app.add_option("--device", options.device, "auto, cpu, cuda or simt")->capture_default_str();
  app.add_option("--threads", options.threads, "CPU threads")->check(CLI::Range(1, 1024))->capture_default_str();
  app.add_option("--precision", options.precision, "of products on a device other than the CPU: f32, tf32 or bf16")
      ->check(CLI::IsMember({"f32", "tf32", "bf16"}))
      ->capture_default_str();
  app.add_flag(
      "--vendor", options.vendor,
      "suite training: dense convolutions and linear layers by cuDNN and cuBLAS (see kernels/vendor/NOTES.md)");
  app.add_option("--cache", options.cache, "on a GPU: warm, or cold: L2 is overwritten before every run")
      ->check(CLI::IsMember({"warm", "cold"}))
      ->capture_default_str();
  app.add_option("--clock", options.clock,
                 "wall, or processor: of one thread on the CPU, which other work disturbs less")
      ->check(CLI::IsMember({"wall", "processor"}))
      ->capture_default_str();
  auto* const seconds = app.add_option("--min-time", options.min_seconds, "seconds to spend on each line")
                            ->check(CLI::Range(0.0, 3600.0))
                            ->capture_default_str();
  app.add_option("--rounds", options.rounds, "instead: so many samples of each line")
      ->check(CLI::Range(1, 100000))
      ->excludes(seconds);
  app.add_option("--filter", options.filter, "only lines whose suite, name or networks contain this text");
  app.add_option("--seed", options.seed, "of all random values")->check(tools::check_uint64)->capture_default_str();
  app.add_option("--json", options.json, "write the results to this file");
  app.add_flag("--quick", options.quick, "a few small shapes, three rounds: shows that the program works");

  CLI::App* const compare =
      app.add_subcommand("compare", "Two files of --json side by side: changes, told from noise.");
  compare->add_option("A", before, "the file of the run before")->required();
  compare->add_option("B", after, "the file of the run after")->required();
  compare->add_option("--threshold", threshold, "smaller changes are noise, however often they were seen")
      ->check(CLI::Range(0.0, 10.0))
      ->capture_default_str();

  return tools::run_program(app, argc, argv, [&] {
    if (!compare->parsed()) return bench::run_suites(options, bench::command_line(argc, argv));
    const auto read = [](const std::string& file) {
      return bench::parse_results(read_text_file(file, bench::kMaxResultBytes), file);
    };
    const bench::Results a = read(before), b = read(after);
    fmt::print("{}", bench::comparison(a, b, threshold));
  });
}
