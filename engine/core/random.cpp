#include "engine/core/random.hpp"

#include <cmath>
#include <numbers>

#include "kernels/random/philox.hpp"

namespace bsg {

double Generator::uniform() { return kernels::philox_bits(seed_, stream_, reserve(1)) * 0x1p-32; }

std::uint64_t Generator::below(std::uint64_t bound) {
  // 53 random bits: the bias is below 2^-20 for any bound that a data set has.
  const std::uint64_t high = kernels::philox_bits(seed_, stream_, reserve(1));
  const std::uint64_t low = kernels::philox_bits(seed_, stream_, reserve(1));
  const double unit = static_cast<double>(((high << 32) | low) >> 11) * 0x1p-53;
  return static_cast<std::uint64_t>(unit * static_cast<double>(bound));
}

double Generator::normal() {
  const double u = (kernels::philox_bits(seed_, stream_, reserve(1)) + 0.5) * 0x1p-32;
  const double v = kernels::philox_bits(seed_, stream_, reserve(1)) * 0x1p-32;
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

}  // namespace bsg
