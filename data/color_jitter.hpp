#pragma once

#include <cstdint>

#include "data/dataset.hpp"
#include "engine/core/random.hpp"

namespace bsg::data {

// Strengths in [0, 1]. A strength s draws its factor uniformly from [1 - s, 1 + s]; with 0 nothing is drawn.
struct ColorJitter {
  double brightness = 0;  // every value times the factor
  double contrast = 0;    // its difference from the image's mean grey times the factor
  double saturation = 0;  // its difference from the pixel's grey times the factor
};

// Whether any strength is above 0. Throws ConfigError, naming the strength, for one outside of [0, 1].
bool jitters_anything(const ColorJitter& jitter);

// The three in an order that is drawn too, each rounded and clamped to 0..255, as torchvision's ColorJitter does it
// (which rounds down). Grey is (299 r + 587 g + 114 b) / 1000.
void jitter_colors(Image& image, const ColorJitter& jitter, Generator& random);

// Values that jitter_colors takes from its generator, at most.
inline constexpr std::uint64_t kColorJitterDraws = 7;

}  // namespace bsg::data
