#include "engine/train/metrics_log.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "engine/core/error.hpp"
#include "engine/core/file.hpp"

namespace bsg::train {
namespace {

constexpr std::uint64_t kMaxLogBytes = std::uint64_t{1} << 30;

// The epoch of a row, or 0 when the line is none.
std::int64_t epoch_of(std::string_view line) {
  const auto row = nlohmann::json::parse(line, nullptr, false);
  if (!row.is_object()) return 0;
  const auto epoch = row.find("epoch");
  return epoch != row.end() && epoch->is_number_integer() ? epoch->get<std::int64_t>() : 0;
}

}  // namespace

MetricsLog::MetricsLog(std::string path, std::int64_t epochs) : path_(std::move(path)) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path_, ignored)) return;
  const std::string old = read_text_file(path_, kMaxLogBytes);
  std::string kept;
  for (std::size_t at = 0; at < old.size();) {
    const std::size_t end = old.find('\n', at);
    if (end == std::string::npos) break;  // a line that was not finished
    const std::string_view line = std::string_view(old).substr(at, end + 1 - at);
    const std::int64_t epoch = epoch_of(line);
    if (epoch >= 1 && epoch <= epochs) kept += line;
    at = end + 1;
  }
  if (kept != old) write_text_file(path_, kept);
}

void MetricsLog::append(const MetricsRow& row) {
  const std::string line = row.to_json() + "\n";
  const auto fail = [&](const char* action, int error) {
    throw_error<IoError>("{}: cannot {}: {}", path_, action, std::strerror(error));
  };
  const int descriptor = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor < 0) fail("open", errno);
  const off_t before = ::lseek(descriptor, 0, SEEK_END);
  std::size_t written = 0;
  int error = 0;
  while (written < line.size() && error == 0) {
    const ssize_t count = ::write(descriptor, line.data() + written, line.size() - written);
    if (count >= 0) {
      written += static_cast<std::size_t>(count);
    } else if (errno != EINTR) {
      error = errno;
    }
  }
  // Should this fail as well, half a line stays, which the next opening drops.
  const bool undone = error == 0 || before < 0 || ::ftruncate(descriptor, before) == 0;
  static_cast<void>(undone);
  if (::close(descriptor) != 0 && error == 0) error = errno;
  if (error != 0) fail("write", error);
}

}  // namespace bsg::train
