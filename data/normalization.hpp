#pragma once

#include <array>

namespace bsg::data {

// (value / 255 - mean) / std for each channel and value.
using Normalization = std::array<std::array<float, 256>, 3>;

// mean, std: of red, green and blue in 0..1. Throws ConfigError for a mean that is not finite and a std that is not
// positive.
Normalization make_normalization(const std::array<double, 3>& mean, const std::array<double, 3>& std);

}  // namespace bsg::data
