// The tolerance rule: a kernel may be at most twice as far from the result in double as plain loops of the same
// precision are. And random numbers for its tests.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/random/philox.hpp"
#include "kernels/simt/number.hpp"
#include "kernels/simt/runtime.hpp"
#include "tests/support/catch.hpp"

namespace bsg::test {

// Numbers that depend on the seed alone.
class Numbers {
 public:
  explicit Numbers(std::uint64_t seed) : seed_(seed) {}
  // Uniform in (0, 1).
  float uniform() { return kernels::uniform_open(kernels::philox_bits(seed_, 0, next_++)); }
  float uniform(float low, float high) { return low + (high - low) * uniform(); }
  // Close to a standard normal number: what activations are like.
  float normal() {
    float sum = -6;
    for (int i = 0; i < 12; ++i) sum += uniform();
    return sum;
  }
  std::int64_t below(std::int64_t bound) { return static_cast<std::int64_t>(uniform() * static_cast<float>(bound)); }
  std::vector<float> normals(std::int64_t count) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& value : values) value = normal();
    return values;
  }

 private:
  std::uint64_t seed_, next_ = 0;
};

// Elements as memory holds them, and back.
template <class T>
T narrowed(float value) {
  if constexpr (sizeof(T) == 4) {
    return value;
  } else {
    return simt::to_bfloat16(value);
  }
}
inline float widened(float value) { return value; }
inline float widened(simt::bfloat16 value) { return simt::to_float(value); }

template <class T>
std::vector<T> narrowed(const std::vector<float>& values) {
  std::vector<T> result(values.size());
  std::ranges::transform(values, result.begin(), [](float value) { return narrowed<T>(value); });
  return result;
}
template <class T>
std::vector<float> widened(const std::vector<T>& values) {
  std::vector<float> result(values.size());
  std::ranges::transform(values, result.begin(), [](T value) { return widened(value); });
  return result;
}

// A value that the device holds, on the host.
template <class T>
T value_of(const simt::DeviceArray<T>& array) {
  return array.to_host().at(0);
}

// What a sum over so many products of matrices may lose, relative to its size: a GPU's matrix units cut off where the
// emulator rounds, up to a unit in the last place each time.
inline double cut_off([[maybe_unused]] std::int64_t products) {
#if defined(BSG_TESTS_ON_GPU)
  return static_cast<double>(products) * 0x1p-23;
#else
  return 0;
#endif
}

template <class A, class B>
double rms_distance(const A& a, const B& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
  return a.empty() ? 0 : std::sqrt(sum / static_cast<double>(a.size()));
}

// The error's root mean square. A result that is rounded once to `epsilon` is as good as it gets, also where the naive
// loops happen to be exact. NaN must be where they are in `exact`, and are then left out.
inline void check_close(std::vector<float> got, std::vector<double> exact, std::vector<float> naive,
                        double epsilon = std::numeric_limits<float>::epsilon()) {
  REQUIRE(got.size() == exact.size());
  REQUIRE(naive.size() == exact.size());
  std::int64_t other_kind = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (std::isfinite(exact[i]) && std::isfinite(got[i])) continue;
    const bool same = std::isnan(exact[i]) ? std::isnan(got[i]) : static_cast<double>(got[i]) == exact[i];
    other_kind += same ? 0 : 1;
    got[i] = naive[i] = 0;
    exact[i] = 0;
  }
  CHECK(other_kind == 0);
  const double size = rms_distance(exact, std::vector<double>(exact.size()));
  CHECK(rms_distance(got, exact) <= 2 * std::max(rms_distance(naive, exact), 0.5 * epsilon * size));
}

}  // namespace bsg::test
