#include "tools/common/main.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include "engine/core/error.hpp"

namespace bsg::tools {
namespace {

int fail(const CLI::App& app, int status, std::string message) {
  // File names and attribute values may hold line breaks; the message stays one line.
  for (char& c : message)
    if (c == '\n' || c == '\r') c = ' ';
  fmt::print(stderr, "{}: {}\n", app.get_name(), message);
  return status;
}

}  // namespace

int run_program(CLI::App& app, int argc, const char* const* argv, const std::function<void()>& body) {
  try {
    app.parse(argc, argv);
    body();
    // A full disk shows when the last bytes leave the buffer.
    if (std::fflush(stdout) != 0) throw_error<IoError>("standard output: {}", std::strerror(errno));
    return 0;
  } catch (const CLI::Success& request) {
    return app.exit(request);  // prints the help or the version
  } catch (const CLI::ParseError& error) {
    return fail(app, 2, fmt::format("{} (see --help)", error.what()));
  } catch (const Error& error) {
    return fail(app, error.exit_status(), error.what());
  } catch (const std::bad_alloc&) {
    return fail(app, 1, "out of memory");
  } catch (const std::exception& error) {
    return fail(app, 1, error.what());
  }
}

}  // namespace bsg::tools
