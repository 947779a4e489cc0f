// The table of what may stand in a recipe: reading, checking and printing all go through it.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "engine/train/recipe.hpp"

namespace bsg::train {

// Every value lies in [low, high]; an open end is left out. NaN and infinity lie nowhere.
struct Range {
  double low = 0, high = std::numeric_limits<double>::infinity();
  bool open_low = false, open_high = false;

  bool contains(double value) const {
    return (open_low ? value > low : value >= low) && (open_high ? value < high : value <= high) &&
           std::isfinite(value);
  }
  std::string str() const {
    return fmt::format("{} {} and {} {}", open_low ? "greater than" : "at least", low,
                       open_high ? "less than" : "at most", high);
  }
};

using Value = std::variant<std::int64_t*, double*, bool*, std::string*, std::array<double, 3>*, std::vector<double>*>;

// One key that a recipe may have.
struct Field {
  const char* section;
  const char* key;
  const char* help;
  Value value;
  Range range = {};
  std::vector<std::string> choices = {};  // of a text; none: any name
  bool required = false;

  std::string path() const { return fmt::format("{}.{}", section, key); }
};

// The table of fields, pointing into `recipe`.
std::vector<Field> fields_of(Recipe& recipe);

}  // namespace bsg::train
