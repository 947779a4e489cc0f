// What `bsg_data` does: one function a subcommand. They throw what their inputs and outputs throw.
#pragma once

#include <cstdint>
#include <string>

#include "data/dataset.hpp"

namespace bsg::tools {

struct InfoOptions {
  std::string data;
  data::OpenOptions open;
  bool json = false;
};
// Prints the layout, images or pixels per class and split, sizes, colours, difficulties, and which images cannot be
// read.
void print_info(const InfoOptions& options);

// Image folders of PNG files, OUT/train/CLASS/INDEX.png and OUT/test/CLASS/INDEX.png, and OUT/difficulty.csv.
void synthesize(const std::string& out, const data::OpenOptions& options);

struct ImportOptions {
  std::string source, out;
  data::OpenOptions open;
  bool resize = false;
};
// CIFAR-10's binary layout.
void import_dataset(const ImportOptions& options);

// What a network would be given.
struct ViewOptions {
  std::string data;
  data::Split split = data::Split::train;
  data::OpenOptions open;
  int size = 224, resize = 0;  // of the network's images, and before the crop in the middle
  bool augment = false;        // a random box, mirrored half of the time, instead of the middle
  double color_jitter = 0;
  std::uint64_t seed = 1;
};

// PNG files OUT/000000.png, OUT/000001.png, ..., and OUT/sources.txt with what each shows.
void preview(const ViewOptions& options, const std::string& out);

struct SpeedOptions {
  ViewOptions view;
  double seconds = 3;
  bool json = false;
};
// Images/s that one thread reads, decodes and transforms, over the split again and again.
void measure_speed(const SpeedOptions& options);

}  // namespace bsg::tools
