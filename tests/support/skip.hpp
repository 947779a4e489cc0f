#pragma once

#include <string>

namespace bsg::test {

// For a test case that cannot run here: says why, and lets the program end with status 4 (which ctest shows as skipped)
// when no test failed. The caller returns.
void skip(const std::string& reason);

// What keeps every case of a program from running here, or "".
using Obstacle = std::string (*)();
// An object of namespace scope makes its program ask first, and skip as a whole.
struct Precondition {
  explicit Precondition(Obstacle find);
};

}  // namespace bsg::test
