#include "tools/common/main.hpp"

#include <cstdio>
#include <new>
#include <stdexcept>
#include <string>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "engine/core/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace bsg;

namespace {

struct Outcome {
  int status;
  std::string err;
};

// Runs `body` under a program with one required number, "--count N", with standard error in a file.
Outcome run(std::vector<const char*> arguments, const std::function<void()>& body) {
  CLI::App app("What it does", "a_program");
  int count = 0;
  app.add_option("--count", count)->required();
  arguments.insert(arguments.begin(), "a_program");

  const test::TemporaryFolder folder;
  std::fflush(stderr);
  const int saved = dup(STDERR_FILENO);
  REQUIRE(std::freopen((folder / "err").c_str(), "w+", stderr) != nullptr);
  const int status = tools::run_program(app, static_cast<int>(arguments.size()), arguments.data(), body);
  std::fflush(stderr);
  std::string err(1000, '\0');
  std::rewind(stderr);
  err.resize(std::fread(err.data(), 1, err.size(), stderr));
  dup2(saved, STDERR_FILENO);
  close(saved);
  return {status, err};
}

}  // namespace

TEST_CASE("a program's main turns every end into a status and at most one line", "[tools]") {
  const auto nothing = [] {};
  const auto ok = run({"--count", "3"}, nothing);
  CHECK(ok.status == 0);
  CHECK(ok.err.empty());

  // The command line does not fit.
  bool ran = false;
  for (const auto& arguments : {std::vector<const char*>{}, {"--count", "x"}, {"--count", "1", "--other"}}) {
    const auto bad = run(arguments, [&] { ran = true; });
    CHECK(bad.status == 2);
    CHECK(bad.err.substr(0, 11) == "a_program: ");
    CHECK(bad.err.find('\n') == bad.err.size() - 1);
  }
  CHECK_FALSE(ran);

  // The work fails.
  const auto failing = [&](const auto& error) { return run({"--count", "3"}, [&] { throw error; }); };
  const auto data = failing(DataError("x.bin: holds 7 bytes,\n8 are needed"));
  CHECK(data.status == 2);
  CHECK(data.err == "a_program: x.bin: holds 7 bytes, 8 are needed\n");
  CHECK(failing(IoError("x.bin: No space left on device")).status == 1);
  CHECK(failing(std::bad_alloc()).err == "a_program: out of memory\n");
  CHECK(failing(std::bad_alloc()).status == 1);
  CHECK(failing(std::runtime_error("why")).status == 1);
  CHECK(failing(std::runtime_error("why")).err == "a_program: why\n");
}
