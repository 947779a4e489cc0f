// What every program's main does around its work: parse the command line, run, turn errors into one line and a status.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace bsg::tools {

// Parses argv with `app`, then calls body(); returns the exit status for main. 0: done, also for --help. 2: the command
// line does not fit `app`. A bsg::Error decides its own status (engine/core/error.hpp); any other exception, and
// standard output that cannot be written, is 1. What failed is one line on standard error, "NAME: message", where NAME
// is the app's name.
int run_program(CLI::App& app, int argc, const char* const* argv, const std::function<void()>& body);

}  // namespace bsg::tools
