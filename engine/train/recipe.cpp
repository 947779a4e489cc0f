#include "engine/train/recipe.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <sstream>
#include <utility>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "engine/core/error.hpp"
#include "engine/core/file.hpp"
#include "engine/train/recipe_fields.hpp"

namespace bsg::train {
namespace {

constexpr std::uint64_t kMaxRecipeBytes = 1 << 20;
constexpr std::size_t kMaxListValues = 1000;

// What a message says of text that somebody else chose: one line, at most 80 bytes.
std::string shown(std::string_view name) {
  std::string text(name.substr(0, 80));
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 32 || c == 127) c = '?';
  }
  return name.size() <= 80 ? text : text + "...";
}

// The library prints 0.1 with 17 digits; people wrote 0.1.
std::string shown(const toml::node& node) {
  if (node.is_floating_point()) return fmt::format("{}", node.as_floating_point()->get());
  std::string text;
  if (const toml::array* list = node.as_array()) {
    for (const toml::node& element : *list) {
      text += (text.empty() ? "[" : ", ") + shown(element);
      if (text.size() > 80) break;
    }
    return text.empty() ? "[]" : shown(std::string_view(text + "]"));
  }
  std::ostringstream out;
  node.visit([&](const auto& value) { out << value; });
  return shown(std::string_view(out.str()));
}

// Assigns one value to a field; `where` begins every message.
class Assignment {
 public:
  Assignment(const std::string& where, const Field& field, const toml::node& node)
      : where_(where), field_(field), node_(node) {}

  void operator()(std::int64_t* into) const {
    if (!node_.is_integer()) wrong("an integer");
    const std::int64_t value = node_.as_integer()->get();
    if (!field_.range.contains(static_cast<double>(value))) wrong(field_.range.str());
    *into = value;
  }
  void operator()(double* into) const { *into = number(node_); }
  void operator()(bool* into) const {
    if (!node_.is_boolean()) wrong("true or false");
    *into = node_.as_boolean()->get();
  }
  void operator()(std::string* into) const {
    if (!node_.is_string()) wrong("a text");
    const std::string& value = node_.as_string()->get();
    const auto& choices = field_.choices;
    if (!choices.empty() && std::find(choices.begin(), choices.end(), value) == choices.end()) {
      wrong(fmt::format("one of {}", fmt::join(choices, ", ")));
    }
    // So that to_toml needs no escapes.
    const auto plain = [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-' ||
             c == '.';
    };
    if (value.empty() || value.size() > 64 || !std::all_of(value.begin(), value.end(), plain)) {
      wrong("a name of 1 to 64 letters, digits, '_', '-' and '.'");
    }
    *into = value;
  }
  void operator()(std::array<double, 3>* into) const {
    const toml::array* list = node_.as_array();
    if (list == nullptr || list->size() != 3) wrong("a list of 3 numbers");
    std::array<double, 3> values = {};
    for (std::size_t i = 0; i < 3; ++i) values[i] = number(*list->get(i));
    *into = values;
  }
  void operator()(std::vector<double>* into) const {
    const toml::array* list = node_.as_array();
    if (list == nullptr || list->size() > kMaxListValues) {
      wrong(fmt::format("a list of at most {} numbers", kMaxListValues));
    }
    std::vector<double> values;
    for (const toml::node& element : *list) {
      values.push_back(number(element));
      if (values.size() > 1 && values[values.size() - 2] >= values.back()) wrong("an ascending list");
    }
    *into = values;
  }

 private:
  // Whole numbers are accepted where a number is expected.
  double number(const toml::node& node) const {
    const bool in_list = &node != &node_;
    if (!node.is_number()) wrong(in_list ? "numbers in the list" : "a number");
    const double value = *node.value<double>();
    if (!field_.range.contains(value)) wrong((in_list ? "every value " : "") + field_.range.str());
    return value;
  }
  [[noreturn]] void wrong(const std::string& expected) const {
    throw_error<ConfigError>("{}{} = {}: expected {}", where_, field_.path(), shown(node_), expected);
  }

  const std::string& where_;
  const Field& field_;
  const toml::node& node_;
};

// Levenshtein's distance.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

class Reader {
 public:
  Reader(Recipe& recipe, std::string name) : name_(std::move(name)), fields_(fields_of(recipe)) {}

  void read(std::string_view text) {
    toml::table root;
    try {
      root = toml::parse(text);
    } catch (const toml::parse_error& error) {
      throw_error<ConfigError>("{}:{}: {}", name_, error.source().begin.line, shown(error.description()));
    }
    for (const auto& [section, node] : root) {
      const toml::table* table = node.as_table();
      if (table == nullptr && !known_section(section)) unknown_key(line(node), section);
      if (!known_section(section)) unknown_section(line(node), section);
      if (table == nullptr) {
        throw_error<ConfigError>("{}{} = {}: expected a section, [{}]", line(node), section.str(), shown(node),
                                 section.str());
      }
      for (const auto& [key, value] : *table) {
        assign(line(value), fmt::format("{}.{}", section.str(), key.str()), value);
      }
    }
  }

  // "section.key=value"
  void override_with(const std::string& text) {
    const std::string where = "--set ";
    const std::size_t equals = text.find('=');
    const std::string path = trimmed(text.substr(0, equals));
    const std::size_t dot = path.find('.');
    if (equals == std::string::npos || dot == std::string::npos) {
      throw_error<ConfigError>("--set {}: expected section.key=value", shown(text));
    }
    if (!known_section(path.substr(0, dot))) unknown_section(where, path.substr(0, dot));
    const std::string value = trimmed(text.substr(equals + 1));
    // A newline would let one override hold several values.
    if (value.empty() || value.find_first_of("\r\n") != std::string::npos) {
      throw_error<ConfigError>("--set {}: expected one value on one line", shown(text));
    }
    toml::table parsed;
    try {
      parsed = toml::parse("value = " + value);
    } catch (const toml::parse_error&) {
      parsed.insert_or_assign("value", value);  // a bare word; the field says whether it takes one
    }
    assign(where, path, *parsed.get("value"));
  }

  void check_required() const {
    for (const Field& field : fields_) {
      if (field.required && !assigned_.contains(field.path())) {
        throw_error<ConfigError>("{}: {} is missing", name_, field.path());
      }
    }
  }

 private:
  static std::string trimmed(const std::string& text) {
    const std::size_t first = text.find_first_not_of(" \t");
    return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t") - first + 1);
  }
  std::string line(const toml::node& node) const { return fmt::format("{}:{}: ", name_, node.source().begin.line); }
  bool known_section(std::string_view name) const {
    return std::any_of(fields_.begin(), fields_.end(), [&](const Field& field) { return field.section == name; });
  }
  void assign(const std::string& where, const std::string& path, const toml::node& node) {
    const auto field = std::find_if(fields_.begin(), fields_.end(), [&](const Field& f) { return f.path() == path; });
    if (field == fields_.end()) unknown_key(where, path);
    std::visit(Assignment(where, *field, node), field->value);
    assigned_.insert(path);
  }
  // A section's own keys first: "l0.gamma" means l0.rho rather than batch_shaping.gamma.
  [[noreturn]] void unknown_key(const std::string& where, std::string_view path) const {
    const std::string given = shown(path);
    const std::string_view section = path.substr(0, path.find('.'));
    const bool anywhere = !known_section(section);
    std::string nearest;
    for (const Field& field : fields_) {
      if (!anywhere && field.section != section) continue;
      const auto away = [&](const std::string& candidate) {
        return anywhere ? distance(given, candidate.substr(candidate.find('.') + 1)) : distance(given, candidate);
      };
      if (nearest.empty() || away(field.path()) < away(nearest)) nearest = field.path();
    }
    throw_error<ConfigError>("{}unknown key {}; did you mean {}?", where, given, nearest);
  }
  [[noreturn]] void unknown_section(const std::string& where, std::string_view name) const {
    const std::string given = shown(name);
    std::string nearest;
    for (const Field& field : fields_) {
      if (nearest.empty() || distance(given, field.section) < distance(given, nearest)) nearest = field.section;
    }
    throw_error<ConfigError>("{}unknown section [{}]; did you mean [{}]?", where, given, nearest);
  }

  std::string name_;
  std::vector<Field> fields_;
  std::set<std::string> assigned_;
};

void check_together(const Recipe& recipe, const std::string& name) {
  const auto ordered = [&](const char* section, double start, double end) {
    if (start > end) {
      throw_error<ConfigError>("{}: {}.start_epoch = {} lies after {}.end_epoch = {}", name, section, start, section,
                               end);
    }
  };
  const Recipe::Data& data = recipe.data;
  if (data.scale_min > data.scale_max)
    throw_error<ConfigError>("{}: data.scale_min = {} is more than data.scale_max = {}", name, data.scale_min,
                             data.scale_max);
  ordered("batch_shaping", recipe.batch_shaping.start_epoch, recipe.batch_shaping.end_epoch);
  ordered("l0", recipe.l0.start_epoch, recipe.l0.end_epoch);
}

// The shortest digits that give the same double, as a TOML float.
std::string digits(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

struct Printer {
  std::string operator()(const std::int64_t* value) const { return fmt::format("{}", *value); }
  std::string operator()(const double* value) const { return digits(*value); }
  std::string operator()(const bool* value) const { return *value ? "true" : "false"; }
  std::string operator()(const std::string* value) const { return '"' + *value + '"'; }
  std::string operator()(const std::array<double, 3>* value) const { return list(*value); }
  std::string operator()(const std::vector<double>* value) const { return list(*value); }
  static std::string list(std::span<const double> values) {
    std::string text = "[";
    for (const double value : values) text += (text.size() > 1 ? ", " : "") + digits(value);
    return text + "]";
  }
};

}  // namespace

Recipe parse_recipe(std::string_view text, const std::string& name_for_errors, std::span<const std::string> overrides) {
  Recipe recipe;
  Reader reader(recipe, name_for_errors);
  reader.read(text);
  for (const std::string& override_text : overrides) reader.override_with(override_text);
  reader.check_required();
  check_together(recipe, name_for_errors);
  return recipe;
}

Recipe read_recipe(const std::string& path, std::span<const std::string> overrides) {
  return parse_recipe(read_text_file(path, kMaxRecipeBytes), path, overrides);
}

std::string to_toml(const Recipe& recipe) {
  Recipe copy = recipe;
  std::string text, section;
  for (const Field& field : fields_of(copy)) {
    if (section != field.section) {
      text += fmt::format("{}[{}]\n", section.empty() ? "" : "\n", field.section);
      section = field.section;
    }
    const std::string entry = fmt::format("{} = {}", field.key, std::visit(Printer{}, field.value));
    text += fmt::format("{:<40} # {}\n", entry, field.help);
  }
  return text;
}

std::vector<std::string> differing_keys(const Recipe& a, const Recipe& b) {
  Recipe copy_a = a, copy_b = b;
  const std::vector<Field> fields_a = fields_of(copy_a), fields_b = fields_of(copy_b);
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < fields_a.size(); ++i) {
    const auto equal = [&](auto* value) { return *value == *std::get<decltype(value)>(fields_b[i].value); };
    if (!std::visit(equal, fields_a[i].value)) keys.push_back(fields_a[i].path());
  }
  return keys;
}

}  // namespace bsg::train
