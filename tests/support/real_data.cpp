#include "tests/support/real_data.hpp"

#include <cstdlib>
#include <filesystem>
#include <map>
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

bool holds(const std::string& folder, const std::string& first, const std::string& second) {
  return !folder.empty() && fs::is_directory(folder + "/" + first) && fs::is_directory(folder + "/" + second);
}

// The folder that holds two folders: BSG_DATA itself, `name` in it, or what is in its file `name` + suffix.
std::string find_or_unpack(const std::string& name, const std::string& suffix, const std::string& first,
                           const std::string& second) {
  if (holds(data_folder(), first, second)) return data_folder();
  const std::string unpacked = find_real_data(name);
  if (holds(unpacked, first, second)) return unpacked;
  const std::string packed = find_real_data(name + suffix);
  if (packed.empty()) {
    skip("no " + name + " or " + name + suffix + " in " + data_folder() + " (BSG_DATA names another folder)");
    return "";
  }
  static std::map<std::string, TemporaryFolder> folders;  // one for each archive, for all tests of a process
  const auto [place, fresh] = folders.try_emplace(name);
  const std::string folder = place->second.path().string();
  if (fresh && std::system(("tar xf '" + packed + "' -C '" + folder + "'").c_str()) != 0) {
    throw std::runtime_error("cannot unpack " + packed);
  }
  // Some archives hold the files themselves, others a folder of their name.
  for (const std::string& inside : {folder, folder + "/" + name}) {
    if (holds(inside, first, second)) return inside;
  }
  throw std::runtime_error(packed + ": holds no folders " + first + " and " + second);
}

}  // namespace

std::string find_real_data(const std::string& name) {
  const std::string path = data_folder() + "/" + name;
  return fs::exists(path) ? path : "";
}

std::string cifar10_jpeg() { return find_or_unpack("cifar10-jpeg", ".tar.xz", "train", "test"); }

std::string camvid() { return find_or_unpack("camvid", ".tar", "train", "trainannot"); }

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
