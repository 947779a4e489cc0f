#include "tools/bsg_data/new_folder.hpp"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <system_error>
#include <unistd.h>

#include "engine/core/error.hpp"

namespace bsg::tools {

namespace fs = std::filesystem;

NewFolder::NewFolder(const std::string& path) : path_(path) {
  if (path.empty()) throw_error<ConfigError>("'': is no name of a folder");
  std::error_code error;
  // Links are followed; "out/" and "out" are the same.
  target_ = fs::weakly_canonical(fs::absolute(path, error), error);
  if (error) throw_error<IoError>("cannot find {}: {}", path, error.message());
  if (!target_.has_filename()) target_ = target_.parent_path();
  const bool exists = fs::exists(target_, error);
  if (exists && !fs::is_directory(target_, error)) throw_error<ConfigError>("{}: exists and is no folder", path);
  if (exists && !fs::is_empty(target_, error)) throw_error<ConfigError>("{}: exists and is not empty", path);
  partial_ = target_;
  partial_ += fmt::format(".partial-{}", ::getpid());
  if (!fs::create_directory(partial_, error)) fail("", error ? error.value() : EEXIST);
}

NewFolder::~NewFolder() {
  std::error_code ignored;
  if (!committed_) fs::remove_all(partial_, ignored);
}

void NewFolder::write(const std::string& name, std::span<const std::byte> bytes) {
  const fs::path file_path = partial_ / name;
  std::error_code error;
  fs::create_directories(file_path.parent_path(), error);
  if (error) fail(name, error.value());
  std::FILE* file = std::fopen(file_path.c_str(), "wb");
  if (file == nullptr) fail(name, errno);
  int failure = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size() ? 0 : errno;
  if (std::fclose(file) != 0 && failure == 0) failure = errno;  // what was buffered is written here
  if (failure != 0) fail(name, failure);
}

void NewFolder::commit() {
  // Durable before it has its name: one sync of the file system instead of one a file.
  const int descriptor = ::open(partial_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) fail("", errno);
  const int failure = ::syncfs(descriptor) == 0 ? 0 : errno;
  ::close(descriptor);
  if (failure != 0) fail("", failure);
  // Replaces an empty folder.
  std::error_code error;
  fs::rename(partial_, target_, error);
  if (error) fail("", error.value());
  committed_ = true;
}

void NewFolder::fail(const std::string& name, int error) const {
  throw_error<IoError>("cannot write {}{}{}: {}", path_, name.empty() ? "" : "/", name,
                       std::generic_category().message(error));
}

}  // namespace bsg::tools
