// What `bsg_data` does: one function a subcommand. They throw what their inputs and outputs throw.
#pragma once

#include <string>

#include "data/dataset.hpp"

namespace bsg::tools {

struct InfoOptions {
  std::string data;
  data::OpenOptions open;
  bool json = false;
};
// Prints the layout, images per class and split, sizes, colours and difficulties.
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

}  // namespace bsg::tools
