// bsg_train: trains a network by a recipe.
#include "tools/common/main.hpp"

#include <algorithm>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "data/dataset.hpp"
#include "engine/core/error.hpp"
#include "engine/core/file.hpp"
#include "engine/train/trainer.hpp"
#include "tools/bsg_train/progress.hpp"
#include "tools/common/interrupt.hpp"
#include "tools/common/loader_source.hpp"
#include "tools/common/recipe_network.hpp"
#include "tools/common/validators.hpp"

namespace bsg::tools {
namespace {

struct Options {
  std::string recipe, data, out, device = "auto";
  std::uint64_t seed = 1;
  int threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  std::vector<std::string> overrides;
  bool resume = false;
};

int train_by(const Options& options) {
  const train::Recipe recipe = train::read_recipe(options.recipe, options.overrides);
  const Device device = parse_device(options.device);
  const Precision precision = parse_precision(recipe.train.precision);
  if (device == Device::cpu && precision != Precision::f32)
    throw_error<ConfigError>("train.precision = {}: device cpu computes f32", recipe.train.precision);
  Context context({.device = device, .threads = options.threads, .seed = options.seed, .precision = precision});
  Context host({.threads = options.threads});

  // Images of another size are resized.
  const int size = models::image_size(recipe.model.arch);
  data::OpenOptions open = open_options(recipe.data);
  const auto train_set = data::open_dataset(options.data, data::Split::train, open);
  open.limit = 0;
  const auto test_set = data::open_dataset(options.data, data::Split::test, open);
  data::ImageTransformOptions transform = transform_options(recipe.data, size, size);
  LoaderSource test(host, test_set, std::make_shared<data::ImageTransform>(transform),
                    {.batch = recipe.train.eval_batch, .workers = static_cast<int>(recipe.data.workers)});
  transform.crop_padding = static_cast<int>(recipe.data.crop_padding);
  transform.flip = recipe.data.flip;
  LoaderSource train(host, train_set, std::make_shared<data::ImageTransform>(transform),
                     {.batch = recipe.train.batch,
                      .shuffle = true,
                      .drop_last = recipe.train.drop_last,
                      .seed = options.seed,
                      .workers = static_cast<int>(recipe.data.workers)});

  const std::vector<std::string>& classes = train_set->classes();
  const auto network =
      models::make_network(host, network_config(recipe.model, classes.size(), size, size), options.seed);
  network->move(context);
  const train::RunFolder folder{options.out};
  folder.create(options.resume);
  train::Trainer trainer(context, *network, recipe, options.seed, {train, test, classes, size, size}, folder);
  if (options.resume && folder.has_checkpoint()) {
    trainer.resume();
  } else if (options.resume) {
    fmt::print("{}: no checkpoint yet, the run starts from the beginning\n", options.out);
  }
  write_text_file(folder.recipe(), train::to_toml(recipe));

  watch_for_interrupts();
  fmt::print("{}: {} images, {} classes, {} threads, from epoch {} to {}, into {}\n", recipe.model.arch,
             train.examples(), classes.size(), options.threads, trainer.epoch(), recipe.train.epochs, options.out);
  std::fflush(stdout);
  TrainingProgress progress(recipe.train.epochs, recipe.train.batch);
  const train::TrainingOutcome outcome = trainer.run(progress, [] { return interrupt_signal() != 0; });
  switch (outcome) {
    case train::TrainingOutcome::finished:
      fmt::print("done: best top-1 {:.2f} %, checkpoints in {}\n", trainer.best_top1(), options.out);
      return 0;
    case train::TrainingOutcome::out_of_time:
      fmt::print("train.max_seconds are over; {} holds the state, --resume continues\n", folder.last_checkpoint());
      return 0;
    case train::TrainingOutcome::interrupted:
      fmt::print("\ninterrupted; {} holds the state, --resume continues\n", folder.last_checkpoint());
      return 128 + interrupt_signal();
  }
  return 1;
}

}  // namespace
}  // namespace bsg::tools

int main(int argc, char** argv) {
  using bsg::tools::Options;
  Options options;
  int status = 0;
  CLI::App app{"Trains a network by a recipe. The run's folder then holds recipe.toml, metrics.jsonl and checkpoints.",
               "bsg_train"};
  app.add_option("--recipe", options.recipe, "TOML file with everything that decides what is computed")->required();
  app.add_option("--data", options.data, "CIFAR-10 binaries, a folder of image folders, or the word synthetic")
      ->required();
  app.add_option("--out", options.out, "folder of the run; it must not hold another run")->required();
  app.add_option("--device", options.device, "auto, cpu, cuda or simt")->capture_default_str();
  app.add_option("--seed", options.seed, "of initial weights, order, augmentation and gate noise")
      ->check(bsg::tools::check_uint64)
      ->capture_default_str();
  app.add_option("--threads", options.threads, "CPU threads; the result does not depend on them")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--set", options.overrides, "section.key=value, instead of what the recipe says; may be repeated")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_flag("--resume", options.resume, "go on from the last checkpoint in --out");
  const int failed = bsg::tools::run_program(app, argc, argv, [&] { status = bsg::tools::train_by(options); });
  return failed != 0 ? failed : status;
}
