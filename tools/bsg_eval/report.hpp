#pragma once

#include <string>

#include "tools/bsg_eval/evaluate.hpp"

namespace bsg::tools {

// How the evaluation was asked for: for people and programs that read its results later.
struct Setting {
  std::string data, split, device, precision;
  std::int64_t batch = 0;
  int threads = 0;
};

// What bsg_eval --json writes: one JSON object. Numbers that are not finite, and those that are not known, are null.
std::string to_json(const Subject& subject, const Setting& setting, const Report& report);

// The same for people.
void print_table(const Subject& subject, const Setting& setting, const Report& report);

}  // namespace bsg::tools
