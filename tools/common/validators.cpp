#include "tools/common/validators.hpp"

#include <charconv>
#include <cstdint>
#include <system_error>

#include <fmt/core.h>

namespace bsg::tools {

std::string check_uint64(const std::string& text) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  if (result.ec == std::errc() && result.ptr == end) return "";
  return fmt::format("'{}' is no whole number from 0 to 2^64 - 1", text);
}

}  // namespace bsg::tools
