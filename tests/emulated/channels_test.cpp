// Kernels that treat every channel of every sample by one number.
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/elementwise/elementwise_device.hpp"
#include "tests/emulated/close.hpp"
#include "tests/emulated/orders.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;
namespace device = kernels::device;
using device::ChannelsLastShape;

namespace {

template <class T>
constexpr double kEpsilon = sizeof(T) == 4 ? 0x1p-23 : 0x1p-8;

// Shapes with one and many tiles of channels, channel counts that vectors divide and that they do not, planes shorter
// and longer than a block's pixels, one pixel, and nothing.
const std::vector<ChannelsLastShape> kShapes{{2, 9, 16},  {1, 64, 32},  {3, 5, 7},   {1, 1, 1},
                                             {2, 49, 64}, {1, 196, 40}, {4, 1, 100}, {2, 300, 8},
                                             {0, 4, 16},  {2, 0, 16},   {1, 33, 257}};

struct Data {
  std::vector<float> x, other, factor, old;
};

template <class T>
Data data(const ChannelsLastShape& s) {
  test::Numbers numbers(17);
  const std::int64_t count = s.samples * s.plane * s.channels;
  const auto held = [&](std::int64_t n) { return test::widened(test::narrowed<T>(numbers.normals(n))); };
  return {held(count), held(count), numbers.normals(s.samples * s.channels), held(count)};
}

// expression(x, factor of the channel), added to what was there when accumulate.
template <class T, class Kernel, class Expression>
void check_broadcast(const ChannelsLastShape& s, const Data& d, bool accumulate, const Kernel& kernel,
                     const Expression& expression) {
  std::vector<double> exact;
  std::vector<float> naive;
  const auto channels = static_cast<std::size_t>(s.channels), pixels = static_cast<std::size_t>(s.plane);
  for (std::size_t i = 0; i < d.x.size(); ++i) {
    const float factor = d.factor[i / channels / pixels * channels + i % channels];
    exact.push_back(expression(static_cast<double>(d.x[i]), static_cast<double>(factor)) +
                    (accumulate ? static_cast<double>(d.old[i]) : 0));
    naive.push_back(test::widened(test::narrowed<T>(static_cast<float>(exact.back()))));
  }
  simt::DeviceArray<T> x(test::narrowed<T>(d.x)), y(test::narrowed<T>(d.old));
  simt::DeviceArray<float> factor(d.factor);
  kernel(x.data(), factor.data(), y.data());
  test::check_close(test::widened(y.to_host()), exact, naive, kEpsilon<T>);
}

template <class T>
void check_broadcasts(const ChannelsLastShape& s, bool accumulate) {
  Data d = data<T>(s);
  check_broadcast<T>(
      s, d, accumulate,
      [&](const T* x, const float* f, T* y) { device::scale_channels<T>({}, s, x, f, y, accumulate); },
      [](double x, double f) { return x * f; });
  check_broadcast<T>(
      s, d, accumulate, [&](const T*, const float* f, T* y) { device::fill_channels<T>({}, s, f, 0.5, y, accumulate); },
      [](double, double f) { return 0.5 * f; });
  // What is in a channel that is off does not matter.
  for (std::size_t i = 0; i < d.factor.size(); ++i)
    if (i % 3 == 0) d.factor[i] = 0;
  const auto channels = static_cast<std::size_t>(s.channels), pixels = static_cast<std::size_t>(s.plane);
  for (std::size_t i = 0; i < d.x.size(); ++i)
    if (d.factor[i / channels / pixels * channels + i % channels] == 0)
      d.x[i] = std::numeric_limits<float>::quiet_NaN();
  check_broadcast<T>(
      s, d, accumulate, [&](const T* x, const float* f, T* y) { device::mask_channels<T>({}, s, x, f, y, accumulate); },
      [](double x, double f) { return f != 0 ? x : 0; });
}

template <class T>
void check_sums(const ChannelsLastShape& s) {
  const Data d = data<T>(s);
  const auto channels = static_cast<std::size_t>(s.channels), pixels = static_cast<std::size_t>(s.plane);
  const auto sums = d.factor.size();
  std::vector<double> exact_dot(sums), exact_sum(sums);
  std::vector<float> naive_dot(sums), naive_sum(sums);
  for (std::size_t i = 0; i < d.x.size(); ++i) {
    const std::size_t to = i / channels / pixels * channels + i % channels;
    exact_dot[to] += static_cast<double>(d.x[i]) * static_cast<double>(d.other[i]);
    exact_sum[to] += 0.125 * static_cast<double>(d.x[i]);
    naive_dot[to] += d.x[i] * d.other[i];
    naive_sum[to] += 0.125F * d.x[i];
  }
  simt::DeviceArray<T> a(test::narrowed<T>(d.x)), b(test::narrowed<T>(d.other));
  simt::DeviceArray<float> result(sums);
  device::dot_channels<T>({}, s, a.data(), b.data(), result.data(), false);
  test::check_close(result.to_host(), exact_dot, naive_dot);
  const auto once = result.to_host();
  device::dot_channels<T>({}, s, a.data(), b.data(), result.data(), true);
  const auto twice = result.to_host();
  for (std::size_t i = 0; i < sums; ++i) REQUIRE(twice[i] == 2 * once[i]);
  device::sum_channels<T>({}, s, a.data(), 0.125, result.data());
  test::check_close(result.to_host(), exact_sum, naive_sum);
}

}  // namespace

TEST_CASE("scale_channels, mask_channels and fill_channels agree with plain loops") {
  test::for_each_order([](std::string_view order) {
    for (const ChannelsLastShape& s : kShapes)
      for (const bool accumulate : {false, true}) {
        INFO(order << " " << s.samples << " x " << s.plane << " x " << s.channels << " accumulate " << accumulate);
        check_broadcasts<float>(s, accumulate);
        check_broadcasts<simt::bfloat16>(s, accumulate);
      }
  });
}

TEST_CASE("dot_channels and sum_channels agree with plain loops", "[small]") {
  test::for_each_order([](std::string_view order) {
    for (const ChannelsLastShape& s : kShapes) {
      INFO(order << " " << s.samples << " x " << s.plane << " x " << s.channels);
      check_sums<float>(s);
      check_sums<simt::bfloat16>(s);
    }
  });
}

TEST_CASE("global average pooling on the device: a NaN stays in its channel", "[small]") {
  const ChannelsLastShape s{1, 20, 16};
  auto x = test::Numbers(1).normals(320);
  x[16 * 7 + 5] = std::numeric_limits<float>::quiet_NaN();
  test::for_each_order([&](std::string_view order) {
    INFO(order);
    simt::DeviceArray<float> a(x), result(16);
    device::sum_channels<float>({}, s, a.data(), 1.0 / 20, result.data());
    const auto means = result.to_host();
    for (std::size_t c = 0; c < 16; ++c) CHECK(std::isnan(means[c]) == (c == 5));
  });
}
