#include "tests/support/real_data.hpp"

#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "tests/support/skip.hpp"
#include "tests/support/temporary_folder.hpp"

namespace bsg::test {
namespace {

namespace fs = std::filesystem;

std::string data_folder() {
  const char* given = std::getenv("BSG_DATA");
  return given != nullptr ? given : "../shared/data";
}

bool holds_splits(const std::string& folder) {
  return !folder.empty() && fs::is_directory(folder + "/train") && fs::is_directory(folder + "/test");
}

}  // namespace

std::string find_real_data(const std::string& name) {
  const std::string path = data_folder() + "/" + name;
  return fs::exists(path) ? path : "";
}

std::string cifar10_jpeg() {
  if (holds_splits(data_folder())) return data_folder();
  const std::string unpacked = find_real_data("cifar10-jpeg");
  if (holds_splits(unpacked)) return unpacked;
  const std::string packed = find_real_data("cifar10-jpeg.tar.xz");
  if (packed.empty()) {
    skip("no cifar10-jpeg or cifar10-jpeg.tar.xz in " + data_folder() + " (BSG_DATA names another folder)");
    return "";
  }
  static const TemporaryFolder folder;
  if (!holds_splits(folder.path().string())) {
    const std::string command = "tar xJf '" + packed + "' -C '" + folder.path().string() + "'";
    if (std::system(command.c_str()) != 0 || !holds_splits(folder.path().string())) {
      throw std::runtime_error("cannot unpack " + packed);
    }
  }
  return folder.path().string();
}

std::string photographs() {
  const std::string packed = find_real_data("imagenet-sample-100.tar");
  if (packed.empty()) {
    skip("no imagenet-sample-100.tar in " + data_folder() + " (BSG_DATA names another folder)");
    return "";
  }
  static const TemporaryFolder folder;
  if (!fs::exists(folder / "val")) {
    const std::string command = "tar xf '" + packed + "' -C '" + folder.path().string() + "'";
    if (std::system(command.c_str()) != 0 || !fs::is_directory(folder / "imagenet-sample")) {
      throw std::runtime_error("cannot unpack " + packed);
    }
    fs::create_directory_symlink("imagenet-sample", folder / "train");
    fs::create_directory_symlink("imagenet-sample", folder / "val");
  }
  return folder.path().string();
}

}  // namespace bsg::test
