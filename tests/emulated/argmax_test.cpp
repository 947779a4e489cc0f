#include "kernels/argmax/argmax.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <vector>

#include "kernels/argmax/argmax_device.hpp"
#include "tests/emulated/close.hpp"
#include "tests/emulated/orders.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
const float kNan = std::numeric_limits<float>::quiet_NaN();

std::int32_t expected(const std::vector<float>& x) {
  const auto nan = std::ranges::find_if(x, [](float v) { return std::isnan(v); });
  return static_cast<std::int32_t>((nan != x.end() ? nan : std::ranges::max_element(x)) - x.begin());
}

void check(std::int64_t positions, std::int64_t channels, const std::vector<float>& x) {
  INFO(positions << " positions, " << channels << " channels");
  const simt::DeviceArray<float> from(x);
  simt::DeviceArray<std::int32_t> to(static_cast<std::size_t>(positions));
  kernels::device::argmax_channels({}, positions, channels, from.data(), to.data());
  const std::vector<std::int32_t> places = to.to_host();

  // The CPU's planes: the positions as one of them.
  std::vector<float> planes(x.size());
  for (std::int64_t i = 0; i < positions; ++i)
    for (std::int64_t c = 0; c < channels; ++c)
      planes[static_cast<std::size_t>(c * positions + i)] = x[static_cast<std::size_t>(i * channels + c)];
  std::vector<std::int32_t> on_cpu(places.size());
  kernels::cpu::argmax_channels({}, 1, channels, positions, planes.data(), on_cpu.data());

  for (std::int64_t i = 0; i < positions; ++i) {
    const auto row = x.begin() + i * channels;
    REQUIRE(places[static_cast<std::size_t>(i)] == expected({row, row + channels}));
  }
  REQUIRE(on_cpu == places);
}

}  // namespace

TEST_CASE("argmax: random values with ties, any number of channels") {
  test::for_each_order([](std::string_view order) {
    INFO(order);
    test::Numbers numbers(3);
    for (const std::int64_t channels : {1, 2, 11, 31, 32, 33, 64, 100})
      for (const std::int64_t positions : {0, 1, 9, 300}) {
        std::vector<float> x;
        for (std::int64_t i = 0; i < positions * channels; ++i) x.push_back(static_cast<float>(numbers.below(20)));
        check(positions, channels, x);
      }
  });
}

TEST_CASE("argmax: NaN is the largest, and the first of its kind") {
  test::for_each_order([](std::string_view order) {
    INFO(order);
    check(1, 4, {1, kNan, kInfinity, kNan});
    check(1, 3, {kNan, 2, 3});
    check(2, 2, {-kInfinity, -kInfinity, -1, kNan});
    std::vector<float> wide(70, 1);
    wide[69] = kNan;
    check(1, 70, wide);
    wide[37] = kNan;
    check(1, 70, wide);
  });
}
