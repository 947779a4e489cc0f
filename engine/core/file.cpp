#include "engine/core/file.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "engine/core/error.hpp"

namespace bsg {
namespace {

std::string system_message(int error) { return std::generic_category().message(error); }

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }

 private:
  int value_;
};

std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

// Appends what the file holds, up to `limit` bytes in all and one more, from which the caller sees that the limit was
// passed. A size that the system reports only says how much to reserve: files grow, and pipes have none.
template <class Container>
void read_up_to(int descriptor, const std::string& path, std::uint64_t limit, Container& into) {
  std::array<char, 1 << 16> buffer;
  while (into.size() <= limit) {
    const std::uint64_t wanted = std::min<std::uint64_t>(buffer.size(), limit - into.size() + 1);
    const ssize_t got = ::read(descriptor, buffer.data(), static_cast<std::size_t>(wanted));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_error<IoError>("cannot read {}: {}", path, system_message(errno));
    if (got == 0) return;
    const auto* first = reinterpret_cast<const typename Container::value_type*>(buffer.data());
    into.insert(into.end(), first, first + got);
  }
  throw_error<DataError>("{}: the file is larger than the {} bytes that are accepted here", path, limit);
}

template <class Container>
Container read_whole(const std::string& path, std::uint64_t max_bytes) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) {
    const int error = errno;
    if (error == ENOENT || error == ENOTDIR) throw_error<DataError>("{}: no such file", path);
    throw_error<IoError>("cannot open {}: {}", path, system_message(error));
  }
  struct stat status = {};
  if (::fstat(file.get(), &status) != 0) throw_error<IoError>("cannot read {}: {}", path, system_message(errno));
  if (S_ISDIR(status.st_mode)) throw_error<DataError>("{}: is a folder, expected a file", path);
  Container content;
  if (S_ISREG(status.st_mode)) {
    const auto size = static_cast<std::uint64_t>(status.st_size);
    if (size > max_bytes) {
      throw_error<DataError>("{}: the file has {} bytes, at most {} are accepted here", path, size, max_bytes);
    }
    try {
      content.reserve(static_cast<std::size_t>(size));
    } catch (const std::bad_alloc&) {
      throw_error<OutOfMemory>("{}: no memory for its {} bytes", path, size);
    }
  }
  read_up_to(file.get(), path, max_bytes, content);
  return content;
}

}  // namespace

std::vector<std::byte> read_file(const std::string& path, std::uint64_t max_bytes) {
  return read_whole<std::vector<std::byte>>(path, max_bytes);
}

std::string read_text_file(const std::string& path, std::uint64_t max_bytes) {
  return read_whole<std::string>(path, max_bytes);
}

AtomicFileWriter::AtomicFileWriter(const std::string& path) : path_(path), target_(path) {
  std::error_code ignored;
  if (std::filesystem::is_symlink(path, ignored)) {
    const auto resolved = std::filesystem::weakly_canonical(path, ignored);
    if (!ignored) target_ = resolved.string();
  }
  struct stat status = {};
  const bool exists = ::stat(path.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode)) fail("write", EISDIR);
  if (exists && !S_ISREG(status.st_mode)) {
    descriptor_ = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (descriptor_ < 0) fail("write", errno);
    return;
  }
  partial_ = target_ + ".partial";
  open_partial();
}

// One fixed name, so that killed processes leave at most one partial file behind; the lock keeps two writers from
// mixing theirs, and dies with its process.
void AtomicFileWriter::open_partial() {
  for (int attempt = 0; attempt < 100; ++attempt) {
    const int descriptor = ::open(partial_.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (descriptor < 0) {
      const int error = errno;
      partial_.clear();
      fail("create", error);
    }
    if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      ::close(descriptor);
      partial_.clear();
      throw_error<IoError>("cannot write {}: another process is writing it", path_);
    }
    // The former holder of the lock may have renamed or removed the file between our open and our lock.
    struct stat ours = {}, named = {};
    if (::fstat(descriptor, &ours) == 0 && ::lstat(partial_.c_str(), &named) == 0 && ours.st_ino == named.st_ino &&
        ours.st_dev == named.st_dev) {
      descriptor_ = descriptor;
      if (::ftruncate(descriptor_, 0) != 0) fail("write", errno);
      return;
    }
    ::close(descriptor);
  }
  partial_.clear();
  throw_error<IoError>("cannot write {}: other processes keep replacing it", path_);
}

AtomicFileWriter::~AtomicFileWriter() { discard(); }

void AtomicFileWriter::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(descriptor_, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) fail("write", errno);
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
}

void AtomicFileWriter::commit() {
  // Pipes and terminals have nothing to make durable.
  if (!partial_.empty() && ::fsync(descriptor_) != 0) fail("write", errno);
  if (!partial_.empty()) {
    // Still locked: nobody else can have put their file under the partial name.
    if (::rename(partial_.c_str(), target_.c_str()) != 0) fail("replace", errno);
    partial_.clear();
    const Descriptor folder(::open(folder_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    // Some file systems cannot sync a folder (EINVAL), and a folder may be writable but not readable: the file is whole
    // all the same.
    if (folder.get() >= 0 && ::fsync(folder.get()) != 0 && errno != EINVAL) fail("replace", errno);
  }
  const int descriptor = descriptor_;
  descriptor_ = -1;
  if (::close(descriptor) != 0 && errno != EINTR) fail("write", errno);
}

void AtomicFileWriter::discard() noexcept {
  // Removed before the lock goes, so that it is ours that is removed.
  if (!partial_.empty()) ::unlink(partial_.c_str());
  partial_.clear();
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

void AtomicFileWriter::fail(const char* action, int error) {
  discard();
  throw_error<IoError>("cannot {} {}: {}", action, path_, system_message(error));
}

void write_text_file(const std::string& path, std::string_view text) {
  AtomicFileWriter file(path);
  file.write(text);
  file.commit();
}

}  // namespace bsg
