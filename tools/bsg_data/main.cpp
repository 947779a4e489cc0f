#include "tools/common/main.hpp"

#include <map>
#include <string>

#include <CLI/CLI.hpp>

#include "tools/bsg_data/commands.hpp"

using namespace bsg;

namespace {

constexpr const char* kLayouts =
    "D is the word synthetic, for the built-in images, or a folder that holds\n"
    "  data_batch_1.bin .. data_batch_5.bin and test_batch.bin (CIFAR-10's binary files), or these in a folder\n"
    "  cifar-10-batches-bin; or\n"
    "  train/CLASS/*.jpg, *.jpeg or *.png and test/CLASS/... or val/CLASS/...; or\n"
    "  train/*.jpg, *.jpeg or *.png, trainannot/*.png and test/, testannot/ or val/, valannot/ (street scenes as "
    "CamVid's,\n"
    "  with classes.txt where the classes are others); or\n"
    "  leftImg8bit/ and gtFine/ (Cityscapes)";

void add_synthetic(CLI::App* command, data::OpenOptions& options) {
  command->add_option("--train", options.synthetic_train, "Built-in images of the training split")
      ->check(CLI::Range(1, 10000000))
      ->capture_default_str();
  command->add_option("--test", options.synthetic_test, "Built-in images of the test split")
      ->check(CLI::Range(1, 10000000))
      ->capture_default_str();
  command->add_option("--seed", options.synthetic_seed, "Seed of the built-in images")->capture_default_str();
}

void add_view(CLI::App* command, tools::ViewOptions& options) {
  command->add_option("D", options.data, "The data set")->required();
  command->add_option("--split", options.split, "train or test")
      ->transform(CLI::Transformer(
          std::map<std::string, data::Split>{{"train", data::Split::train}, {"test", data::Split::test}}))
      ->default_str("train");
  command->add_option("--limit", options.open.limit, "Only so many images; 0: all")->check(CLI::NonNegativeNumber);
  command->add_option("--size", options.size, "Side of the network's images")
      ->check(CLI::Range(1, 1 << 14))
      ->capture_default_str();
  command->add_option("--resize", options.resize, "The shorter side before the crop in the middle; 0: the size")
      ->capture_default_str();
  command->add_flag("--augment", options.augment, "Random boxes resized to the size, mirrored half of the time");
  command->add_option("--color-jitter", options.color_jitter, "Strength, 0 to 1, for brightness, contrast, saturation")
      ->capture_default_str();
  command->add_option("--seed", options.seed, "Of what is drawn")->capture_default_str();
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Looks at data sets, makes one, and converts them", "bsg_data");
  app.require_subcommand(1);

  tools::InfoOptions info;
  CLI::App* info_command = app.add_subcommand("info", "What a data set holds");
  info_command->add_option("D", info.data, "The data set")->required();
  info_command->add_flag("--json", info.json, "Print JSON");
  add_synthetic(info_command, info.open);
  info_command->footer(kLayouts);

  std::string synthetic_folder;
  data::OpenOptions synthetic;
  CLI::App* synthesize_command =
      app.add_subcommand("synthesize", "Write the built-in images as folders of PNG files, with difficulty.csv");
  synthesize_command->add_option("OUT", synthetic_folder, "Folder to make; one that is there must be empty")
      ->required();
  add_synthetic(synthesize_command, synthetic);

  tools::ImportOptions import;
  CLI::App* import_command =
      app.add_subcommand("import", "Write a data set in CIFAR-10's binary layout, which needs no decoding");
  import_command->add_option("D", import.source, "The data set")->required();
  import_command->add_option("OUT", import.out, "Folder to make; one that is there must be empty")->required();
  import_command->add_flag(
      "--resize", import.resize,
      "Resize images that are not 32x32 (shorter side, antialiased) and keep their middle; without "
      "it they are an error");
  add_synthetic(import_command, import.open);
  import_command->footer(
      std::string(kLayouts) +
      "\n\nOUT gets data_batch_1.bin .. data_batch_5.bin and test_batch.bin, the images in the order "
      "of D, records of a\nlabel and 32x32 RGB; batches.meta.txt, the names of the classes (at most "
      "256); batches.counts.txt, the number of\nrecords of each file. Difficulties are not kept.");

  tools::ViewOptions view;
  std::string preview_folder;
  CLI::App* preview_command = app.add_subcommand("preview", "Write what a network would be given as PNG files");
  add_view(preview_command, view);
  preview_command->add_option("OUT", preview_folder, "Folder to make; one that is there must be empty")->required();

  tools::SpeedOptions speed;
  CLI::App* speed_command = app.add_subcommand("speed", "Images/s that one thread reads, decodes and transforms");
  add_view(speed_command, speed.view);
  speed_command->add_option("--seconds", speed.seconds, "Time to spend")->check(CLI::Range(0.0, 3600.0));
  speed_command->add_flag("--json", speed.json, "Print JSON");

  return tools::run_program(app, argc, argv, [&] {
    if (info_command->parsed()) tools::print_info(info);
    if (synthesize_command->parsed()) tools::synthesize(synthetic_folder, synthetic);
    if (preview_command->parsed()) tools::preview(view, preview_folder);
    if (speed_command->parsed()) tools::measure_speed(speed);
    if (import_command->parsed()) tools::import_dataset(import);
  });
}
