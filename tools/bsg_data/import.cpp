#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "data/cifar10.hpp"
#include "data/parallel.hpp"
#include "data/resize.hpp"
#include "engine/core/error.hpp"
#include "tools/bsg_data/commands.hpp"
#include "tools/bsg_data/new_folder.hpp"

namespace bsg::tools {
namespace {

constexpr std::int64_t kTrainFiles = 5;
constexpr std::size_t kMaxClasses = 256;
constexpr std::size_t kPlane = std::size_t{data::kCifarSide} * data::kCifarSide;

void put_record(const data::Dataset& dataset, std::int64_t index, bool resize, std::byte* record) {
  data::Example example = dataset.get(index);
  data::Image& image = example.image;
  if (image.height != data::kCifarSide || image.width != data::kCifarSide) {
    if (!resize) {
      throw_error<DataError>("{}: has {} x {} pixels, expected 32 x 32 (see --resize)", dataset.source(index),
                             image.width, image.height);
    }
    image = data::resize_and_crop(image, data::kCifarSide, data::kCifarSide);
  }
  record[0] = static_cast<std::byte>(example.label);
  for (std::size_t pixel = 0; pixel < kPlane; ++pixel) {
    for (std::size_t c = 0; c < 3; ++c) record[1 + c * kPlane + pixel] = std::byte{image.pixels[pixel * 3 + c]};
  }
}

}  // namespace

void import_dataset(const ImportOptions& options) {
  NewFolder folder(options.out);
  std::string counts;
  // The examples first .. end - 1 of a split as a file.
  const auto write = [&](const data::Dataset& dataset, std::int64_t first, std::int64_t end, const std::string& name) {
    std::vector<std::byte> records(static_cast<std::size_t>((end - first) * data::kCifarRecordBytes));
    data::for_each_index(end - first, [&](std::int64_t i) {
      put_record(dataset, first + i, options.resize, records.data() + i * data::kCifarRecordBytes);
    });
    folder.write(name, records);
    counts += fmt::format("{} {}\n", name, end - first);
  };

  const auto train = data::open_dataset(options.source, data::Split::train, options.open);
  if (train->labels_pixels()) {
    throw_error<DataError>("{}: has classes of pixels, a record has room for one of the image", options.source);
  }
  const auto& classes = train->classes();
  if (classes.size() > kMaxClasses) {
    throw_error<DataError>("{}: has {} classes, a record's label has room for {}", options.source, classes.size(),
                           kMaxClasses);
  }
  std::string names;
  for (const std::string& name : classes) {
    if (name.find_first_of("\r\n") != std::string::npos) {
      throw_error<DataError>("{}: the name of the class {} has a line break", options.source, name);
    }
    names += name + "\n";
  }
  // Equal parts, the first ones an image larger; a small set has fewer files.
  const std::int64_t files = std::min(kTrainFiles, train->size());
  for (std::int64_t i = 0; i < files; ++i) {
    write(*train, train->size() * i / files, train->size() * (i + 1) / files, fmt::format("data_batch_{}.bin", i + 1));
  }
  const auto test = data::open_dataset(options.source, data::Split::test, options.open);
  write(*test, 0, test->size(), "test_batch.bin");
  folder.write("batches.meta.txt", names);
  folder.write("batches.counts.txt", counts);
  folder.commit();
  fmt::print("{}: {} training and {} test images of {} classes\n", options.out, train->size(), test->size(),
             classes.size());
}

}  // namespace bsg::tools
