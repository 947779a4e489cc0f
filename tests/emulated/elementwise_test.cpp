#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "kernels/elementwise/elementwise_device.hpp"
#include "tests/emulated/close.hpp"
#include "tests/emulated/orders.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;
namespace device = kernels::device;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

template <class T>
constexpr double kEpsilon = sizeof(T) == 4 ? 0x1p-23 : 0x1p-8;

// Numbers that T holds exactly, zeros of both signs and a NaN among them.
template <class T>
std::vector<float> values(std::int64_t count, std::uint64_t seed, bool special = true) {
  auto x = test::Numbers(seed).normals(count);
  if (special)
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = i % 11 == 3 ? 0 : i % 11 == 5 ? -0.0F : i % 37 == 9 ? kNan : x[i];
  return test::widened(test::narrowed<T>(x));
}

// Runs a kernel on arrays of `count` elements and compares with an expression in double, in every thread order:
// expression(a, b, old) where old is what the result held before.
template <class T>
void check_elements(std::string_view name, std::int64_t count, bool accumulate,
                    const std::function<void(const T*, const T*, T*)>& kernel,
                    const std::function<double(double, double)>& expression, bool special = true) {
  const auto a = values<T>(count, 1, special), b = values<T>(count, 2, special), old = values<T>(count, 3, false);
  std::vector<double> exact;
  std::vector<float> naive;
  for (std::size_t i = 0; i < a.size(); ++i) {
    exact.push_back(expression(static_cast<double>(a[i]), static_cast<double>(b[i])) +
                    (accumulate ? static_cast<double>(old[i]) : 0));
    naive.push_back(test::widened(test::narrowed<T>(static_cast<float>(exact.back()))));
  }
  test::for_each_order([&](std::string_view order) {
    INFO(name << " " << order << " count " << count << " accumulate " << accumulate << " bytes " << sizeof(T));
    simt::DeviceArray<T> da(test::narrowed<T>(a)), db(test::narrowed<T>(b)), y(test::narrowed<T>(old));
    kernel(da.data(), db.data(), y.data());
    test::check_close(test::widened(y.to_host()), exact, naive, kEpsilon<T>);
  });
}

double logistic(double x) { return 1 / (1 + std::exp(-x)); }
double slope(double x) { return logistic(x) * logistic(-x); }

template <class T>
void check_all(std::int64_t count) {
  const auto passes = [](double condition, double value) { return condition > 0 || std::isnan(condition) ? value : 0; };
  const float two = 2;
  simt::DeviceArray<float> scale(std::vector<float>{two});
  check_elements<T>(
      "relu", count, false, [&](const T* a, const T*, T* y) { device::relu<T>({}, count, a, y); },
      [&](double a, double) { return passes(a, a); });
  check_elements<T>(
      "add", count, false, [&](const T* a, const T* b, T* y) { device::add<T>({}, count, a, b, y); },
      [](double a, double b) { return a + b; });
  check_elements<T>(
      "fill", count, false, [&](const T*, const T*, T* y) { device::fill<T>({}, count, 0.75, y); },
      [](double, double) { return 0.75; });
  check_elements<T>(
      "sigmoid", count, false, [&](const T* a, const T*, T* y) { device::sigmoid<T>({}, count, a, y); },
      [](double a, double) { return logistic(a); });
  for (const bool accumulate : {false, true}) {
    check_elements<T>(
        "relu_backward", count, accumulate,
        [&](const T* a, const T* b, T* y) { device::relu_backward<T>({}, count, a, b, y, accumulate); }, passes);
    check_elements<T>(
        "multiply", count, accumulate,
        [&](const T* a, const T* b, T* y) { device::multiply<T>({}, count, a, b, y, accumulate); },
        [](double a, double b) { return a * b; });
    check_elements<T>(
        "scale", count, accumulate,
        [&](const T* a, const T*, T* y) { device::scale<T>({}, count, a, 0.75, scale.data(), y, accumulate); },
        [](double a, double) { return 1.5 * a; });
    check_elements<T>(
        "scale by a number alone", count, accumulate,
        [&](const T* a, const T*, T* y) { device::scale<T>({}, count, a, 0.75, nullptr, y, accumulate); },
        [](double a, double) { return 0.75 * a; });
    check_elements<T>(
        "sigmoid_backward", count, accumulate,
        [&](const T* a, const T* b, T* y) { device::sigmoid_backward<T>({}, count, a, b, y, accumulate); },
        [](double a, double b) { return slope(a) * b; });
  }
}

}  // namespace

TEST_CASE("element-wise kernels on the device agree with plain loops") {
  for (const std::int64_t count : {0, 1, 3, 4, 7, 8, 64, 255, 1025, 3001}) {
    check_all<float>(count);
    check_all<simt::bfloat16>(count);
  }
}

TEST_CASE("element-wise kernels on the device take arrays at any address, and results in place", "[small]") {
  const std::int64_t count = 100;
  const auto x = values<float>(count + 1, 5);
  test::for_each_order([&](std::string_view order) {
    INFO(order);
    simt::DeviceArray<float> a(x);
    // From the second element on: not aligned to a vector.
    device::relu<float>({}, count, a.data() + 1, a.data() + 1);
    const auto y = a.to_host();
    CHECK(((y[0] == x[0]) || std::isnan(x[0])));
    std::int64_t wrong = 0;
    for (std::size_t i = 1; i < y.size(); ++i) {
      const bool right = std::isnan(x[i]) ? std::isnan(y[i]) : y[i] == std::max(x[i], 0.0F) && !std::signbit(y[i]);
      wrong += right ? 0 : 1;
    }
    CHECK(wrong == 0);
  });
}

TEST_CASE("sum_sigmoid and its gradient on the device", "[small]") {
  test::for_each_order([](std::string_view order) {
    for (const std::int64_t count : {0, 1, 31, 1024, 1025, 5000}) {
      INFO(order << " count " << count);
      const auto x = values<float>(count, 4, false);
      double exact = 0;
      for (const float value : x) exact += 0.25 * logistic(static_cast<double>(value));
      simt::DeviceArray<float> logits(x), sum(1), scale(std::vector<float>{3}), dx(x);
      simt::DeviceArray<double> partials(static_cast<std::size_t>(device::kSumPartials));
      simt::DeviceArray<unsigned> ticket(std::vector<unsigned>{0});
      device::sum_sigmoid({}, count, logits.data(), 0.25, sum.data(), partials.data(), ticket.data());
      // One value alone has exp's error, of up to two units in the last place on a GPU.
      CHECK(test::value_of(sum) == Approx(exact).epsilon(3e-7));
      CHECK(test::value_of(ticket) == 0);
      for (const bool accumulate : {false, true}) {
        device::sum_sigmoid_backward({}, count, logits.data(), 0.25, scale.data(), dx.data(), accumulate);
        const auto got = dx.to_host();
        for (std::size_t i = 0; i < x.size(); ++i)
          REQUIRE(got[i] == Approx((accumulate ? 1.5 : 0.75) * slope(static_cast<double>(x[i]))).epsilon(1e-6));
      }
    }
  });
}

TEST_CASE("weighted_sum on the device") {
  simt::DeviceArray<float> values(std::vector<float>{1, 2, 3}), sum(1);
  const float* pointers[] = {values.data(), values.data() + 1, values.data() + 2};
  const double weights[] = {0.5, 2, -1};
  device::weighted_sum({}, 3, pointers, weights, sum.data(), false);
  CHECK(test::value_of(sum) == 1.5F);
  device::weighted_sum({}, 2, pointers, weights, sum.data(), true);
  CHECK(test::value_of(sum) == 6);
  device::weighted_sum({}, 0, pointers, weights, sum.data(), false);
  CHECK(test::value_of(sum) == 0);
}
