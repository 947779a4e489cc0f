// The main of the test programs. Exit status 0: passed, 1: failed, 4: nothing failed and something was skipped. Catch2
// 2's own main returns the number of failed assertions, which must not be 4.
#include <cstdio>

#if !__has_include(<catch2/catch_all.hpp>)
#define CATCH_CONFIG_RUNNER
#endif
#include "tests/support/catch.hpp"
#include "tests/support/skip.hpp"

namespace {

// Of this process: test cases run one after another.
bool any_skipped = false;
bsg::test::Obstacle obstacle = nullptr;

}  // namespace

namespace bsg::test {

void skip(const std::string& reason) {
  std::printf("skipped: %s\n", reason.c_str());
  any_skipped = true;
}

Precondition::Precondition(Obstacle find) { obstacle = find; }

}  // namespace bsg::test

int main(int argc, char** argv) {
  if (obstacle != nullptr)
    if (const std::string reason = obstacle(); !reason.empty()) {
      std::printf("skipped: %s\n", reason.c_str());
      return 4;
    }
  if (Catch::Session().run(argc, argv) != 0) return 1;
  return any_skipped ? 4 : 0;
}
