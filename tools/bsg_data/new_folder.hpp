#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace bsg::tools {

// A folder that appears whole or not at all: it is filled under the name PATH.partial-PID beside PATH and renamed at
// the end.
class NewFolder {
 public:
  // Throws ConfigError when PATH exists and is not an empty folder; IoError when no folder can be made beside it.
  explicit NewFolder(const std::string& path);
  // Without a commit, everything that was written is removed.
  ~NewFolder();
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  // A file of the folder, "train/disc/0.png"; folders on the way are made. Throws IoError, naming PATH.
  void write(const std::string& name, std::span<const std::byte> bytes);
  void write(const std::string& name, std::string_view text) {
    write(name, std::as_bytes(std::span(text.data(), text.size())));
  }
  // Call once, last.
  void commit();

 private:
  [[noreturn]] void fail(const std::string& name, int error) const;

  std::string path_;  // as given: for messages
  std::filesystem::path target_, partial_;
  bool committed_ = false;
};

}  // namespace bsg::tools
