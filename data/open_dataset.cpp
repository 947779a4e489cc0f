#include <filesystem>
#include <optional>
#include <system_error>

#include "data/cifar10.hpp"
#include "data/dataset.hpp"
#include "data/folder_names.hpp"
#include "data/image_folders.hpp"
#include "data/segmentation_folders.hpp"
#include "data/synthetic.hpp"
#include "engine/core/error.hpp"

namespace bsg::data {
namespace {

namespace fs = std::filesystem;

bool exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

bool has_cifar10(const std::string& folder) {
  return exists(folder + "/data_batch_1.bin") || exists(folder + "/test_batch.bin");
}

std::optional<Location> locate_segmentation(const std::string& folder) {
  if (has_annotated_folders(folder)) return Location{Layout::annotated_folders, folder};
  if (has_cityscapes(folder)) return Location{Layout::cityscapes, folder};
  return std::nullopt;
}

}  // namespace

Location locate_dataset(const std::string& path) {
  if (path == "synthetic") return {Layout::synthetic, path};
  std::error_code ignored;
  if (!exists(path)) throw_error<DataError>("{}: no such folder", path);
  if (!fs::is_directory(path, ignored)) throw_error<DataError>("{}: is a file, expected a folder of images", path);
  if (has_cifar10(path)) return {Layout::cifar10, path};
  const std::string inside = path + "/cifar-10-batches-bin";
  if (has_cifar10(inside)) return {Layout::cifar10, inside};
  if (const auto found = locate_segmentation(path)) return *found;
  for (const char* split : {"train", "test", "val"}) {
    if (fs::is_directory(path + "/" + split, ignored)) return {Layout::image_folders, path};
  }
  if (const auto folders = names_in(path, is_folder); folders.size() == 1) {
    if (const auto found = locate_segmentation(path + "/" + folders[0])) return *found;
  }
  if (fs::is_empty(path, ignored)) throw_error<DataError>("{}: the folder is empty", path);
  throw_error<DataError>(
      "{}: holds neither CIFAR-10's data_batch_1.bin nor folders train and test, train and trainannot, or leftImg8bit "
      "and gtFine",
      path);
}

std::shared_ptr<const Dataset> open_dataset(const std::string& path, Split split, const OpenOptions& options) {
  if (options.limit < 0) throw_error<ConfigError>("data: limit is {}, expected 0 or more", options.limit);
  const Location location = locate_dataset(path);
  switch (location.layout) {
    case Layout::synthetic: {
      std::int64_t size = split == Split::train ? options.synthetic_train : options.synthetic_test;
      if (size < 1) throw_error<ConfigError>("data: {} synthetic images, expected 1 or more", size);
      if (options.limit > 0) size = std::min(size, options.limit);
      return make_synthetic(options.synthetic_seed, split, size);
    }
    case Layout::cifar10:
      return open_cifar10(location.folder, split, options.limit);
    case Layout::annotated_folders:
      return open_annotated_folders(location.folder, split, options.limit);
    case Layout::cityscapes:
      return open_cityscapes(location.folder, split, options.limit);
    case Layout::image_folders:
      break;
  }
  return open_image_folders(location.folder, split, options.limit, kMaxDecodedBytes, options.skip_unreadable);
}

}  // namespace bsg::data
