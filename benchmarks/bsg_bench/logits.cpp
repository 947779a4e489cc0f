#include "benchmarks/bsg_bench/logits.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/core/error.hpp"

namespace bsg::bench {

void check_logits(const std::string& what, const Tensor& reference, const Tensor& found, std::string_view precision) {
  const bool exact = precision == "f32";
  const std::vector<float> expected = reference.values<float>(), values = found.values<float>();
  const auto samples = static_cast<std::size_t>(reference.shape()[0]), classes = expected.size() / samples;
  float largest = 0;
  for (const float value : expected) largest = std::max(largest, std::abs(value));
  const float tolerance = (exact ? 1e-4F : 5e-2F) * largest;
  std::size_t off = 0;
  for (std::size_t n = 0; n < samples; ++n) {
    bool close = true;
    for (std::size_t i = n * classes; i < (n + 1) * classes; ++i) {
      if (std::isnan(values[i])) throw_error<NumericError>("{}: a logit of sample {} is NaN", what, n);
      close = close && std::abs(expected[i] - values[i]) <= tolerance;
    }
    off += close ? 0 : 1;
  }
  if (off > (exact ? 0 : (samples + 9) / 10))
    throw_error<NumericError>("{}: the logits of {} of {} samples are not the reference's", what, off, samples);
}

}  // namespace bsg::bench
