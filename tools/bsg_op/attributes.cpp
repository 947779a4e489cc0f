#include "tools/bsg_op/attributes.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <system_error>

#include <fmt/format.h>

#include "engine/core/error.hpp"

namespace bsg::tools {
namespace {

template <class T>
constexpr std::string_view type_name() {
  if constexpr (std::is_same_v<T, int>) return "int";
  if constexpr (std::is_same_v<T, std::int64_t>) return "int64";
  if constexpr (std::is_same_v<T, double>) return "number";
  if constexpr (std::is_same_v<T, bool>) return "true|false";
  if constexpr (std::is_same_v<T, std::string>) return "word";
  if constexpr (std::is_same_v<T, std::vector<double>>) return "number,number,...";
}

std::string type_of(const AttributeSpec& spec) {
  if (!spec.choices.empty()) return fmt::format("{}", fmt::join(spec.choices, "|"));
  return std::visit([]<class T>(const T&) { return std::string(type_name<T>()); }, spec.value);
}

// The whole text as a T, or nothing.
template <class T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::vector<double>> parse_numbers(std::string_view text) {
  std::vector<double> values;
  while (true) {
    const std::size_t comma = text.find(',');
    const auto value = parse_number<double>(text.substr(0, comma));
    if (!value) return std::nullopt;
    values.push_back(*value);
    if (comma == std::string_view::npos) return values;
    text.remove_prefix(comma + 1);
  }
}

template <class T>
std::optional<T> parse(const AttributeSpec& spec, std::string_view text) {
  if constexpr (std::is_same_v<T, bool>) {
    return text == "true" ? std::optional(true) : text == "false" ? std::optional(false) : std::nullopt;
  } else if constexpr (std::is_same_v<T, std::string>) {
    const bool known = std::ranges::find(spec.choices, text) != spec.choices.end();
    return known ? std::optional(std::string(text)) : std::nullopt;
  } else if constexpr (std::is_same_v<T, std::vector<double>>) {
    return parse_numbers(text);
  } else {
    return parse_number<T>(text);
  }
}

std::string names(const std::vector<AttributeSpec>& specs) {
  if (specs.empty()) return "no attributes";
  std::vector<std::string_view> all;
  for (const AttributeSpec& spec : specs) all.push_back(spec.name);
  return fmt::format("{}", fmt::join(all, ", "));
}

}  // namespace

std::string AttributeSpec::str() const {
  if (required) return fmt::format("{}=<{}>", name, type_of(*this));
  return std::visit(
      [&]<class T>(const T& held) {
        if constexpr (std::is_same_v<T, std::vector<double>>) {
          return fmt::format("{}={}", name, fmt::join(held, ","));
        } else {
          return fmt::format("{}={}", name, held);
        }
      },
      value);
}

Attributes::Attributes(std::string_view op, const std::vector<AttributeSpec>& specs,
                       const std::vector<std::string>& words) {
  for (const AttributeSpec& spec : specs) values_.emplace(spec.name, spec.value);
  std::set<std::string_view> given;
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos)
      throw_error<ConfigError>("{}: attribute '{}' is not of the form key=value", op, word);
    const std::string_view key = std::string_view(word).substr(0, equals);
    const std::string_view text = std::string_view(word).substr(equals + 1);
    const auto spec = std::ranges::find(specs, key, &AttributeSpec::name);
    if (spec == specs.end()) throw_error<ConfigError>("{}: unknown attribute '{}'; it takes {}", op, key, names(specs));
    if (!given.insert(spec->name).second) throw_error<ConfigError>("{}: attribute {} is given twice", op, key);
    values_[spec->name] = std::visit(
        [&]<class T>(const T&) -> AttributeValue {
          auto value = parse<T>(*spec, text);
          if (!value) throw_error<ConfigError>("{}: attribute {}='{}', expected {}", op, key, text, type_of(*spec));
          return std::move(*value);
        },
        spec->value);
  }
  for (const AttributeSpec& spec : specs)
    if (spec.required && !given.contains(spec.name))
      throw_error<ConfigError>("{}: attribute {} is missing", op, spec.str());
}

}  // namespace bsg::tools
