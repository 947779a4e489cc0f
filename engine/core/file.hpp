// Whole files: read with a limit, replaced atomically. A reader, also one that comes after a crash, sees the old file
// or the new one, never a part.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bsg {

// The whole content. Throws DataError when the file does not exist, is a folder or holds more than max_bytes; IoError
// when the system refuses to open or read it.
std::vector<std::byte> read_file(const std::string& path, std::uint64_t max_bytes);
std::string read_text_file(const std::string& path, std::uint64_t max_bytes);

// Writes PATH.partial in the same folder; commit() makes it durable and renames it to PATH. A symbolic link is
// followed. Without a commit, or after any failure, PATH is as it was and the partial file is gone; only a process that
// is killed leaves one, which the next writer takes over. A path that exists and is no regular file (a pipe,
// /dev/stdout) is written directly: it cannot be replaced.
//
// Every failure is an IoError that names PATH and gives the system's message.
class AtomicFileWriter {
 public:
  explicit AtomicFileWriter(const std::string& path);
  ~AtomicFileWriter();
  AtomicFileWriter(const AtomicFileWriter&) = delete;
  AtomicFileWriter& operator=(const AtomicFileWriter&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }
  // Call once, last.
  void commit();

 private:
  void open_partial();
  [[noreturn]] void fail(const char* action, int error);
  void discard() noexcept;

  std::string path_;     // as given: for messages
  std::string target_;   // links resolved
  std::string partial_;  // empty when the target is written directly
  int descriptor_ = -1;
};

// Replaces the file by `text`.
void write_text_file(const std::string& path, std::string_view text);

}  // namespace bsg
