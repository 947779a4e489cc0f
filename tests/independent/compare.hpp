// The tolerance rule: in float, the engine may be at most twice as far from double as naive float loops are.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "tests/independent/plain.hpp"
#include "tests/support/catch.hpp"

namespace bsg::plain {

// Root mean square of a - b.
template <class A, class B>
double distance(const A& a, const B& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
  return a.empty() ? 0 : std::sqrt(sum / static_cast<double>(a.size()));
}

// got: an f32 or f64 tensor of the engine, computed from the same values as `exact`, which are of size 1. naive is not
// looked at for f64, where the bound is 1e-11 of the result's size, and 1e-13 where terms of size 1 cancel.
inline void check_close(const std::string& what, const Tensor& got, const Array<double>& exact,
                        const Array<float>& naive) {
  INFO(what);
  REQUIRE(got.defined());
  REQUIRE(got.numel() == static_cast<std::int64_t>(exact.values.size()));
  const Array<double> result(got);
  REQUIRE(std::ranges::all_of(result.values, [](double value) { return std::isfinite(value); }));
  const double size = distance(exact.values, exact.zeros().values), error = distance(result.values, exact.values);
  if (got.dtype() == DType::f64) {
    CHECK(error <= 1e-11 * std::max(size, 0.01));
    return;
  }
  // A result that is rounded once is as good as it gets, also where the naive loops happen to be exact.
  const double rounding = 0.5 * std::numeric_limits<float>::epsilon() * size;
  CHECK(error <= 2 * std::max(distance(naive.values, exact.values), rounding));
}

}  // namespace bsg::plain
