#include "data/normalization.hpp"

#include <cmath>
#include <cstddef>

#include "engine/core/error.hpp"

namespace bsg::data {

Normalization make_normalization(const std::array<double, 3>& mean, const std::array<double, 3>& std) {
  Normalization normalization{};
  for (std::size_t c = 0; c < 3; ++c) {
    if (!std::isfinite(mean[c]) || !std::isfinite(std[c]) || std[c] <= 0) {
      throw_error<ConfigError>("data: channel {} has mean {} and std {}, expected a finite mean and a positive std", c,
                               mean[c], std[c]);
    }
    for (std::size_t value = 0; value < 256; ++value) {
      normalization[c][value] = static_cast<float>((static_cast<double>(value) / 255 - mean[c]) / std[c]);
    }
  }
  return normalization;
}

}  // namespace bsg::data
