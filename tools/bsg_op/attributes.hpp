// Typed attributes of an op, as `key=value` on the command line.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace bsg::tools {

// What an attribute holds: an int (32 bits), an integer of 64 bits, a number, true or false, one word out of a few, or
// numbers separated by commas.
using AttributeValue = std::variant<int, std::int64_t, double, bool, std::string, std::vector<double>>;

struct AttributeSpec {
  std::string_view name;
  AttributeValue value;  // its type, and the default unless required
  bool required = false;
  std::vector<std::string> choices = {};  // of a word

  // "stride=1"; of one that is required "out_channels=<int>"
  std::string str() const;
};

class Attributes {
 public:
  // The defaults of `specs`, replaced by `words` ("key=value" each). Throws ConfigError that begins with `op` for an
  // unknown or repeated key, a value that is not of the key's type, and a required key without a value.
  Attributes(std::string_view op, const std::vector<AttributeSpec>& specs, const std::vector<std::string>& words);

  // The value of an attribute that the specs name with this type.
  template <class T>
  const T& get(std::string_view name) const {
    return std::get<T>(values_.at(name));
  }

 private:
  std::map<std::string_view, AttributeValue, std::less<>> values_;
};

}  // namespace bsg::tools
