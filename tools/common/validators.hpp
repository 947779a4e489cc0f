// Checks of option values that CLI11 does not make itself.
#pragma once

#include <string>

namespace bsg::tools {

// For CLI::Option::check on an option of type std::uint64_t, which CLI11 alone fills from "-1" and from numbers that
// are too large. Returns what is wrong with the text, or "".
std::string check_uint64(const std::string& text);

}  // namespace bsg::tools
