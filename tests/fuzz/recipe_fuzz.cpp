// The input up to its first zero byte is a recipe, what follows are overrides, zero bytes between them. Either they are
// rejected by a ConfigError of one line, or the recipe that comes out prints and reads back equal.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "engine/core/error.hpp"
#include "engine/train/recipe.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::string> parts = {""};
  for (std::size_t i = 0; i < size; ++i) {
    if (data[i] == 0) {
      parts.emplace_back();
    } else {
      parts.back().push_back(static_cast<char>(data[i]));
    }
  }
  const std::string text = parts.front();
  parts.erase(parts.begin());
  bsg::train::Recipe recipe;
  try {
    recipe = bsg::train::parse_recipe(text, "input", parts);
  } catch (const bsg::ConfigError& error) {
    if (std::string(error.what()).find('\n') != std::string::npos) std::abort();
    return 0;
  }
  if (!(bsg::train::parse_recipe(bsg::train::to_toml(recipe), "printed") == recipe)) std::abort();
  return 0;
}
