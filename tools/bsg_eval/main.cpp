// bsg_eval: how good a network is, what its gates do, and how fast it runs with and without skipping.
#include "tools/common/main.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <optional>
#include <string>
#include <thread>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "engine/core/error.hpp"
#include "engine/core/file.hpp"
#include "tools/bsg_eval/predictions.hpp"
#include "tools/bsg_eval/report.hpp"

namespace bsg::tools {
namespace {

struct Options {
  std::string checkpoint, arch, weights, data, split = "test", execution = "both", device = "auto", precision = "f32",
                                               json, logits, per_image, save_predictions;
  std::int64_t batch = 128, limit = 0, pictures = 20;
  std::vector<std::int64_t> window;
  double overlap = inference::WindowOptions{}.overlap;
  int threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  std::vector<double> mean, std;
};

void set_channels(std::array<double, 3>& channels, const std::vector<double>& given) {
  if (!given.empty()) std::copy_n(given.begin(), channels.size(), channels.begin());
}

void show_progress(std::int64_t done, std::int64_t images) {
  if (::isatty(STDOUT_FILENO) == 0) return;
  fmt::print("\r\033[K{}/{} images", done, images);
  if (done == images) fmt::print("\r\033[K");
  std::fflush(stdout);
}

void check_task(const Options& options, const Subject& subject) {
  const bool pixels = subject.network->task() == nn::Task::segmentation;
  if (pixels && !options.logits.empty())
    throw_error<ConfigError>("--logits: {} tells classes of pixels, only those of images are written", subject.arch);
  if (!pixels && !options.window.empty())
    throw_error<ConfigError>("--window: {} tells classes of whole images", subject.arch);
  if (!pixels && !options.save_predictions.empty() && subject.network->macs().gates() == 0)
    throw_error<ConfigError>("--save-predictions: {} has no gates by whose number images could be chosen",
                             subject.arch);
}

void evaluate_by(const Options& options) {
  Context host({.threads = options.threads});
  Context context({.device = parse_device(options.device), .threads = options.threads});
  Subject subject = options.checkpoint.empty() ? subject_of_weights(host, options.arch, options.weights)
                                               : subject_of_checkpoint(host, options.checkpoint);
  set_channels(subject.transform.mean, options.mean);
  set_channels(subject.transform.std, options.std);
  subject.open.limit = options.limit;
  check_task(options, subject);
  const auto dataset =
      data::open_dataset(options.data, options.split == "train" ? data::Split::train : data::Split::test, subject.open);
  EvaluateOptions evaluate_options{.dense = options.execution != "gated",
                                   .gated = options.execution != "dense",
                                   .batch = options.batch,
                                   .keep_outputs = !options.logits.empty(),
                                   .precision = parse_precision(options.precision)};
  if (!options.window.empty())
    evaluate_options.windows = {.height = options.window[0], .width = options.window[1], .overlap = options.overlap};
  std::optional<Predictions> predictions;
  if (!options.save_predictions.empty()) {
    predictions.emplace(options.save_predictions, *dataset);
    evaluate_options.shown = evenly_spaced(dataset->size(), options.pictures);
    evaluate_options.show = [&](std::int64_t index, const data::Example& example,
                                std::span<const std::int32_t> classes) { predictions->add(index, example, classes); };
  }
  const Report report = evaluate(context, subject, dataset, evaluate_options, show_progress);
  const Setting setting{options.data,
                        options.split,
                        std::string(to_string(context.device())),
                        options.precision,
                        options.batch,
                        options.threads,
                        evaluate_options.windows};
  if (!options.json.empty()) write_text_file(options.json, to_json(subject, setting, dataset->classes(), report));
  if (!options.logits.empty()) write_safetensors(options.logits, report.outputs);
  if (!options.per_image.empty()) write_per_image(options.per_image, report, *dataset);
  if (predictions) predictions->finish(report);
  print_table(subject, setting, dataset->classes(), report);
}

}  // namespace
}  // namespace bsg::tools

int main(int argc, char** argv) {
  using bsg::tools::Options;
  Options options;
  CLI::App app{"Evaluates a network: accuracy, multiply-accumulates needed, what the gates do, and images per second.",
               "bsg_eval"};
  auto* const checkpoint = app.add_option("--checkpoint", options.checkpoint, "of bsg_train");
  auto* const arch = app.add_option("--arch", options.arch, "resnet20, resnet20_bas, ...: the network of --weights");
  auto* const weights = app.add_option("--weights", options.weights, "safetensors file, tensors by name");
  arch->needs(weights)->excludes(checkpoint);
  weights->needs(arch)->excludes(checkpoint);
  app.add_option("--data", options.data, "a folder whose layout is recognised (docs/data.md), or the word synthetic")
      ->required();
  app.add_option("--split", options.split, "train or test")
      ->check(CLI::IsMember({"train", "test"}))
      ->capture_default_str();
  app.add_option("--execution", options.execution,
                 "dense computes every channel and multiplies by the gates, gated skips what is off")
      ->check(CLI::IsMember({"dense", "gated", "both"}))
      ->capture_default_str();
  app.add_option("--batch", options.batch, "images, or windows of an image, that the network is given at once")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.add_option("--threads", options.threads, "CPU threads; the result does not depend on them")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--device", options.device, "auto, cpu, cuda or simt")->capture_default_str();
  app.add_option("--precision", options.precision, "f32, tf32 or bf16; the CPU computes f32")->capture_default_str();
  app.add_option("--limit", options.limit, "only so many images, the first of each class in turn; 0: all")
      ->check(CLI::Range(0, 1000000000))
      ->capture_default_str();
  const auto channels = [&](const char* name, std::vector<double>& into, const char* what) {
    return app.add_option(name, into, what)->delimiter(',')->expected(3)->type_name("R,G,B");
  };
  channels("--mean", options.mean,
           "subtracted from red, green and blue in 0..1 (default: the checkpoint's; CIFAR-10's or ImageNet's)")
      ->check(CLI::Range(-1e6, 1e6));
  channels("--std", options.std, "that they are then divided by")->check(CLI::Range(1e-6, 1e6));
  auto* const window =
      app.add_option("--window", options.window,
                     "segmentation: see images through windows of this size that overlap, and average what they tell; "
                     "without, each image is seen as a whole")
          ->delimiter(',')
          ->expected(2)
          ->type_name("H,W")
          ->check(CLI::Range(1, 16384));
  app.add_option("--overlap", options.overlap, "of neighbouring windows, a share of their size, 0 to 0.95")
      ->check(CLI::Range(0.0, 0.95))
      ->capture_default_str()
      ->needs(window);
  app.add_option("--per-image", options.per_image,
                 "write loss, density and MACs of each image to this file, as JSON lines");
  app.add_option("--save-predictions", options.save_predictions,
                 "write pictures into this folder: of segmented images input, truth and prediction side by side; else "
                 "the images that use the fewest and the most channels");
  app.add_option("--pictures", options.pictures, "of how many segmented images, evenly spaced; 0: all")
      ->check(CLI::Range(0, 1000000000))
      ->capture_default_str();
  app.add_option("--json", options.json, "write the results to this file");
  app.add_option("--logits", options.logits, "write logits, labels and gates to this safetensors file");
  return bsg::tools::run_program(app, argc, argv, [&] {
    if (options.checkpoint.empty() && options.weights.empty())
      bsg::throw_error<bsg::ConfigError>("--checkpoint, or --arch with --weights, is required (see --help)");
    bsg::tools::evaluate_by(options);
  });
}
