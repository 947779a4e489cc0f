#include "engine/core/file.hpp"

#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <string>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/core/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace bsg;
using bsg::test::TemporaryFolder;
using Catch::Matchers::Contains;

namespace {

std::size_t files_in(const std::filesystem::path& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

// No file may grow beyond `bytes` while this lives: the way to a full disk that needs no disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &saved_);
    const rlimit limit = {.rlim_cur = bytes, .rlim_max = saved_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &saved_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit saved_ = {};
  void (*handler_)(int);
};

}  // namespace

TEST_CASE("a file is read whole, also an empty one and one of several blocks") {
  const TemporaryFolder folder;
  for (const std::size_t size : {0u, 1u, 65535u, 65536u, 65537u, 200000u}) {
    std::string text(size, 'x');
    if (size > 0) text.back() = 'y';
    write_text_file(folder / "file", text);
    CHECK(read_text_file(folder / "file", size) == text);
    CHECK(read_file(folder / "file", 1 << 20).size() == size);
  }
}

TEST_CASE("a file over the limit is bad input") {
  const TemporaryFolder folder;
  write_text_file(folder / "file", "12345");
  CHECK(read_text_file(folder / "file", 5) == "12345");
  CHECK_THROWS_WITH(read_text_file(folder / "file", 4), Contains("has 5 bytes") && Contains("at most 4"));
  CHECK_THROWS_AS(read_text_file(folder / "file", 0), DataError);
}

TEST_CASE("a file that pretends to be huge takes no memory") {
  const TemporaryFolder folder;
  write_text_file(folder / "file", "x");
  REQUIRE(::truncate((folder / "file").c_str(), off_t{1} << 40) == 0);
  CHECK_THROWS_WITH(read_file(folder / "file", 1 << 20), Contains("1099511627776 bytes"));
}

TEST_CASE("an endless device is cut off at the limit") {
  CHECK_THROWS_WITH(read_file("/dev/zero", 100000), Contains("larger than the 100000 bytes"));
}

TEST_CASE("a missing file, a folder and a path through a file are bad input that is named") {
  const TemporaryFolder folder;
  write_text_file(folder / "file", "x");
  CHECK_THROWS_AS(read_file(folder / "none", 10), DataError);
  CHECK_THROWS_WITH(read_file(folder / "none", 10), Contains("none: no such file"));
  CHECK_THROWS_AS(read_file(folder / "file/inside", 10), DataError);
  CHECK_THROWS_WITH(read_file(folder.path().string(), 10), Contains("is a folder"));
}

TEST_CASE("replacing a file leaves nothing else behind") {
  const TemporaryFolder folder;
  write_text_file(folder / "file", "old");
  write_text_file(folder / "file", "new and longer");
  write_text_file(folder / "file", "");
  CHECK(read_text_file(folder / "file", 100).empty());
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("without commit the file stays as it was") {
  const TemporaryFolder folder;
  write_text_file(folder / "file", "old");
  {
    AtomicFileWriter writer(folder / "file");
    writer.write("half of the n");
    CHECK(read_text_file(folder / "file", 100) == "old");
  }
  CHECK(read_text_file(folder / "file", 100) == "old");
  CHECK(files_in(folder.path()) == 1);
  { AtomicFileWriter writer(folder / "never"); }
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("a full device is an I/O error with the system's message") {
  CHECK_THROWS_AS(write_text_file("/dev/full", "text"), IoError);
  CHECK_THROWS_WITH(write_text_file("/dev/full", "text"), Contains("/dev/full") && Contains("No space left on device"));
  struct stat status = {};
  REQUIRE(::stat("/dev/full", &status) == 0);
  CHECK(S_ISCHR(status.st_mode));
  CHECK_FALSE(std::filesystem::exists("/dev/full.partial"));
}

TEST_CASE("a disk that fills up while writing leaves the old file and no partial one") {
  const TemporaryFolder folder;
  write_text_file(folder / "file", "old");
  {
    const FileSizeLimit limit(1000);
    CHECK_THROWS_AS(write_text_file(folder / "file", std::string(100000, 'x')), IoError);
    CHECK_THROWS_WITH(write_text_file(folder / "file", std::string(100000, 'x')),
                      Contains((folder / "file") + ": File too large"));
    CHECK_THROWS_AS(write_text_file(folder / "other", std::string(1001, 'x')), IoError);
    CHECK_NOTHROW(write_text_file(folder / "fits", std::string(1000, 'x')));
  }
  CHECK(read_text_file(folder / "file", 100) == "old");
  CHECK(files_in(folder.path()) == 2);
}

TEST_CASE("a folder that does not exist, and one in the place of the file, are I/O errors") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(write_text_file(folder / "none/file", "x"),
                    Contains("none/file") && Contains("No such file or directory"));
  CHECK_THROWS_WITH(write_text_file(folder.path().string(), "x"), Contains("Is a directory"));
}

TEST_CASE("a partial file that a killed process left is taken over") {
  const TemporaryFolder folder;
  write_text_file(folder / "file.partial", "left over, and longer than what comes");
  write_text_file(folder / "file", "new");
  CHECK(read_text_file(folder / "file", 100) == "new");
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("two writers of one file do not mix") {
  const TemporaryFolder folder;
  AtomicFileWriter first(folder / "file");
  first.write("first");
  CHECK_THROWS_WITH(AtomicFileWriter(folder / "file"), Contains("another process is writing"));
  first.commit();
  CHECK(read_text_file(folder / "file", 100) == "first");
  AtomicFileWriter second(folder / "file");
  second.write("second");
  second.commit();
  CHECK(read_text_file(folder / "file", 100) == "second");
}

TEST_CASE("a link stays a link: its target is replaced") {
  const TemporaryFolder folder;
  write_text_file(folder / "target", "old");
  std::filesystem::create_symlink("target", folder / "link");
  write_text_file(folder / "link", "new");
  CHECK(std::filesystem::is_symlink(folder / "link"));
  CHECK(read_text_file(folder / "target", 100) == "new");
}

TEST_CASE("a pipe is written, not replaced") {
  const TemporaryFolder folder;
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  const int reader = ::open((folder / "pipe").c_str(), O_RDONLY | O_NONBLOCK);
  write_text_file(folder / "pipe", "through");
  char text[16] = {};
  CHECK(::read(reader, text, sizeof text) == 7);
  CHECK(std::string(text) == "through");
  ::close(reader);
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("a plain name is written in the current folder") {
  const TemporaryFolder folder;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  write_text_file("plain", "x");
  std::filesystem::current_path(before);
  CHECK(read_text_file(folder / "plain", 10) == "x");
}
