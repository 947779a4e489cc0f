#include "tools/bsg_train/starting_weights.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>

#include <fmt/format.h>

#include "engine/train/checkpoint.hpp"
#include "engine/train/initial_weights.hpp"

namespace bsg::tools {
namespace {

// By the names of models/: fc, linear: classifiers; ppm, head, aux: PSPNet's; gate, gate1, gate2: gating modules.
bool replaceable(const std::string& name) {
  constexpr std::array<std::string_view, 5> heads = {"fc.", "linear.", "ppm.", "head.", "aux."};
  return name.find(".gate") != std::string::npos ||
         std::ranges::any_of(heads, [&](std::string_view head) { return name.starts_with(head); });
}

}  // namespace

void start_from_weights(Context& host, nn::Network& network, const std::string& path) {
  const auto state = network.state();
  const auto kept = train::load_initial_weights(host, state, train::load_weights(host, path), replaceable, path);
  fmt::print("{}: {} tensors taken over, {} keep their initial values{}\n", path, state.size() - kept.size(),
             kept.size(), kept.empty() ? "" : fmt::format(" (gates and heads; the first is {})", kept.front()));
}

}  // namespace bsg::tools
