#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bsg::test {

// Channels first, as the CPU has them, to channels last and back.
inline std::vector<float> to_last(const std::vector<float>& x, std::int64_t channels, std::int64_t plane,
                                  bool back = false) {
  std::vector<float> result(x.size());
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(x.size()); ++i) {
    const std::int64_t pixel = i % plane, channel = i / plane % channels, sample = i / plane / channels;
    const auto first = static_cast<std::size_t>(i),
               last = static_cast<std::size_t>((sample * plane + pixel) * channels + channel);
    back ? result[first] = x[last] : result[last] = x[first];
  }
  return result;
}

}  // namespace bsg::test
