// bsg_train: trains a network by a recipe.
#include "tools/common/main.hpp"

#include <algorithm>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "engine/core/error.hpp"
#include "engine/core/file.hpp"
#include "engine/train/trainer.hpp"
#include "tools/bsg_train/progress.hpp"
#include "tools/bsg_train/starting_weights.hpp"
#include "tools/bsg_train/training_data.hpp"
#include "tools/common/interrupt.hpp"
#include "tools/common/recipe_network.hpp"
#include "tools/common/validators.hpp"

namespace bsg::tools {
namespace {

struct Options {
  std::string recipe, data, out, weights, device = "auto";
  std::uint64_t seed = 1;
  int threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  std::vector<std::string> overrides;
  bool resume = false;
};

// What the recipe does not tell of the run, as the command gave it.
std::string inputs_of(const Options& options) {
  const nlohmann::ordered_json weights = options.weights.empty() ? nullptr : nlohmann::ordered_json(options.weights);
  return nlohmann::ordered_json({{"data", options.data}, {"weights", weights}, {"seed", options.seed}}).dump() + "\n";
}

void print_unreadable(const char* split, const data::Unreadable& unreadable) {
  if (unreadable.examples == 0) return;
  fmt::print("{} images that could not be read, replaced by others: {}\n", split, unreadable.examples);
  for (const std::string& message : unreadable.messages) fmt::print("  {}\n", message);
}

int train_by(const Options& options) {
  const train::Recipe recipe = train::read_recipe(options.recipe, options.overrides);
  const Device device = parse_device(options.device);
  const Precision precision = parse_precision(recipe.train.precision);
  if (device == Device::cpu && precision != Precision::f32)
    throw_error<ConfigError>("train.precision = {}: device cpu computes f32", recipe.train.precision);
  Context context({.device = device, .threads = options.threads, .seed = options.seed, .precision = precision});
  Context host({.threads = options.threads});

  TrainingSets sets = open_training_sets(host, recipe, options.data, options.seed);
  const auto network = models::make_network(
      host, network_config(recipe.model, sets.classes.size(), sets.height, sets.width), options.seed);
  const train::RunFolder folder{options.out};
  const bool goes_on = options.resume && folder.has_checkpoint();
  // What goes on has its weights.
  if (!options.weights.empty() && !goes_on) start_from_weights(host, *network, options.weights);
  network->move(context);
  folder.create(options.resume);
  train::Trainer trainer(context, *network, recipe, options.seed,
                         {*sets.train, *sets.test, sets.classes, sets.height, sets.width, sets.class_weights}, folder);
  if (goes_on) {
    trainer.resume();
  } else {
    if (options.resume) fmt::print("{}: no checkpoint yet, the run starts from the beginning\n", options.out);
    write_text_file(folder.inputs(), inputs_of(options));
  }
  write_text_file(folder.recipe(), train::to_toml(recipe));

  watch_for_interrupts();
  fmt::print("{}: {} images, {} classes, {} threads, from epoch {} to {}, into {}\n", recipe.model.arch,
             sets.train->examples(), sets.classes.size(), options.threads, trainer.epoch(), recipe.train.epochs,
             options.out);
  std::fflush(stdout);
  TrainingProgress progress(recipe.train.epochs, recipe.train.batch);
  const train::TrainingOutcome outcome = trainer.run(progress, [] { return interrupt_signal() != 0; });
  for (const auto& [source, split] : {std::pair(sets.train.get(), "training"), std::pair(sets.test.get(), "test")})
    print_unreadable(split, source->unreadable());
  switch (outcome) {
    case train::TrainingOutcome::finished:
      fmt::print("done: best {} {:.2f} %, checkpoints in {}\n",
                 network->task() == nn::Task::segmentation ? "mean IoU" : "top-1", trainer.best_score(), options.out);
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
  CLI::App app{
      "Trains a network by a recipe. The run's folder then holds recipe.toml, inputs.json, metrics.jsonl and "
      "checkpoints.",
      "bsg_train"};
  app.add_option("--recipe", options.recipe, "TOML file with everything that decides what is computed")->required();
  app.add_option("--data", options.data,
                 "CIFAR-10 binaries, image folders, Cityscapes, images with annotations, or the word synthetic")
      ->required();
  app.add_option("--out", options.out, "folder of the run; it must not hold another run")->required();
  app.add_option(
      "--weights", options.weights,
      "start from this safetensors file or checkpoint: tensors by name; gates and heads that it lacks start anew");
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
