#include "benchmarks/bsg_bench/conv_reference.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/core/error.hpp"

namespace bsg::bench {
namespace {

constexpr int kDrawnPlaces = 8;

std::vector<std::pair<std::int64_t, std::int64_t>> places(std::int64_t size, Generator& random) {
  std::vector<std::pair<std::int64_t, std::int64_t>> all = {{0, 0}, {0, size - 1}, {size - 1, 0}, {size - 1, size - 1}};
  const auto draw = [&] { return static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(size))); };
  for (int i = 0; i < kDrawnPlaces; ++i) {
    const std::int64_t row = draw();
    all.emplace_back(row, draw());
  }
  return all;
}

}  // namespace

void check_conv(const std::string& what, const ConvSample& s, const std::vector<std::int32_t>& inputs,
                const std::vector<std::int32_t>& outputs, double tolerance, Generator random,
                const std::function<double(std::int64_t k, std::int64_t i, std::int64_t j)>& result) {
  const ConvLayer& l = s.layer;
  const std::int64_t taps = l.kernel * l.kernel, out = l.out_size();
  const auto at = [](std::int64_t i) { return static_cast<std::size_t>(i); };
  for (const auto& [i, j] : places(out, random))
    for (const std::int32_t k : outputs) {
      double sum = s.bias[at(k)], magnitude = std::abs(sum);
      const auto add = [&](double term) {
        sum += term;
        magnitude += std::abs(term);
      };
      for (const std::int32_t c : inputs)
        for (std::int64_t tap = 0; tap < taps; ++tap) {
          const std::int64_t row = i * l.stride + tap / l.kernel - l.padding();
          const std::int64_t column = j * l.stride + tap % l.kernel - l.padding();
          if (row < 0 || column < 0 || row >= l.size || column >= l.size) continue;
          add(static_cast<double>(s.weight[at((k * l.inputs + c) * taps + tap)]) *
              s.x[at((c * l.size + row) * l.size + column)]);
        }
      if (s.residual != nullptr) add((*s.residual)[at((k * out + i) * out + j)]);
      if (s.relu) sum = std::max(sum, 0.0);
      const double found = result(k, i, j);
      if (!(std::abs(found - sum) <= tolerance * magnitude))
        throw_error<NumericError>("{}: output channel {} at ({}, {}) is {}, the definition gives {}", what, k, i, j,
                                  found, sum);
    }
}

std::vector<float> normal_values(std::int64_t count, double scale, Generator& random) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = static_cast<float>(scale * random.normal());
  return values;
}

}  // namespace bsg::bench
