#include "engine/train/run_folder.hpp"

#include <filesystem>
#include <system_error>

#include "engine/core/error.hpp"

namespace bsg::train {
namespace {

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

}  // namespace

bool RunFolder::has_checkpoint() const { return exists(last_checkpoint()); }

void RunFolder::create(bool resuming) const {
  if (!resuming && (has_checkpoint() || exists(metrics())))
    throw_error<ConfigError>("{}: a run lies here already; --resume continues it, another --out starts a new one",
                             path);
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error || !std::filesystem::is_directory(path, error))
    throw_error<IoError>("{}: cannot make the run's folder: {}", path,
                         error ? error.message() : std::string("it is a file"));
}

}  // namespace bsg::train
