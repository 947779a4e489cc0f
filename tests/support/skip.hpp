#pragma once

#include <string>

namespace bsg::test {

// For a test case that cannot run here: says why, and lets the program end with status 4 (which ctest shows as skipped)
// when no test failed. The caller returns.
void skip(const std::string& reason);

}  // namespace bsg::test
