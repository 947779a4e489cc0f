#include <cmath>
#include <limits>
#include <vector>

#include "kernels/linear/linear_device.hpp"
#include "tests/emulated/close.hpp"
#include "tests/emulated/orders.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;
namespace device = kernels::device;
using kernels::LinearShape;

namespace {

template <class R>
struct Result {
  std::vector<R> y, dx, dweight, dbias;
};

struct Data {
  std::vector<float> x, weight, bias, dy;
};

template <class R>
Result<R> plain(const LinearShape& s, const Data& d) {
  Result<R> r{std::vector<R>(d.dy.size()), std::vector<R>(d.x.size()), std::vector<R>(d.weight.size()),
              std::vector<R>(d.bias.size())};
  const auto at = [](const std::vector<float>& v, std::size_t i) { return static_cast<R>(v[i]); };
  const auto rows = static_cast<std::size_t>(s.rows), inputs = static_cast<std::size_t>(s.inputs),
             outputs = static_cast<std::size_t>(s.outputs);
  for (std::size_t n = 0; n < rows; ++n)
    for (std::size_t o = 0; o < outputs; ++o) {
      R sum = 0;
      const R g = at(d.dy, n * outputs + o);
      for (std::size_t i = 0; i < inputs; ++i) {
        sum += at(d.x, n * inputs + i) * at(d.weight, o * inputs + i);
        r.dx[n * inputs + i] += g * at(d.weight, o * inputs + i);
        r.dweight[o * inputs + i] += g * at(d.x, n * inputs + i);
      }
      r.y[n * outputs + o] = sum + at(d.bias, o);
      r.dbias[o] += g;
    }
  return r;
}

// Twice: once written, once added to.
template <class Kernel>
void check_gradient(const std::vector<double>& exact, const std::vector<float>& naive, const Kernel& kernel) {
  simt::DeviceArray<float> result(exact.size());
  kernel(result.data(), false);
  const auto once = result.to_host();
  test::check_close(once, exact, naive);
  kernel(result.data(), true);
  const auto twice = result.to_host();
  for (std::size_t i = 0; i < once.size(); ++i) REQUIRE(twice[i] == 2 * once[i]);
}

}  // namespace

TEST_CASE("linear on the device: forward and gradients, sizes around the tiles") {
  test::for_each_order([](std::string_view order) {
    for (const LinearShape& s : {LinearShape{128, 64, 10}, LinearShape{1, 1, 1}, LinearShape{3, 100, 65},
                                 LinearShape{64, 16, 64}, LinearShape{65, 17, 63}, LinearShape{2, 300, 16},
                                 LinearShape{130, 15, 130}, LinearShape{5, 0, 3}, LinearShape{0, 8, 4}}) {
      INFO(order << " " << s.rows << " x " << s.inputs << " -> " << s.outputs);
      test::Numbers numbers(static_cast<std::uint64_t>(s.rows + 1));
      const Data d{numbers.normals(s.rows * s.inputs), numbers.normals(s.outputs * s.inputs),
                   numbers.normals(s.outputs), numbers.normals(s.rows * s.outputs)};
      const auto exact = plain<double>(s, d);
      const auto naive = plain<float>(s, d);
      simt::DeviceArray<float> x(d.x), weight(d.weight), bias(d.bias), dy(d.dy), y(d.dy.size());
      device::linear({}, s, x.data(), weight.data(), bias.data(), y.data());
      test::check_close(y.to_host(), exact.y, naive.y);
      check_gradient(exact.dx, naive.dx, [&](float* to, bool add) {
        device::linear_backward_input({}, s, weight.data(), dy.data(), to, add);
      });
      check_gradient(exact.dweight, naive.dweight,
                     [&](float* to, bool add) { device::linear_backward_weight({}, s, x.data(), dy.data(), to, add); });
      check_gradient(exact.dbias, naive.dbias,
                     [&](float* to, bool add) { device::linear_backward_bias({}, s, dy.data(), to, add); });
      // Without a bias.
      device::linear({}, s, x.data(), weight.data(), nullptr, y.data());
      const auto without = y.to_host();
      for (std::size_t i = 0; i < without.size(); ++i)
        REQUIRE(without[i] + d.bias[i % d.bias.size()] == Approx(exact.y[i]).margin(1e-4));
    }
  });
}

TEST_CASE("linear on the device: a NaN stays in its row", "[small]") {
  const LinearShape s{3, 5, 2};
  std::vector<float> x(15, 1);
  x[7] = std::numeric_limits<float>::quiet_NaN();
  test::for_each_order([&](std::string_view order) {
    INFO(order);
    simt::DeviceArray<float> in(x), weight(std::vector<float>(10, 1)), y(6);
    device::linear({}, s, in.data(), weight.data(), nullptr, y.data());
    const auto got = y.to_host();
    for (std::size_t i = 0; i < 6; ++i) CHECK((i / 2 == 1 ? std::isnan(got[i]) : got[i] == 5));
  });
}
