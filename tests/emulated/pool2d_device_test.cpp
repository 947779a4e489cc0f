#include "kernels/pool2d/pool2d_device.hpp"

#include <limits>
#include <vector>

#include "tests/emulated/channels_last.hpp"
#include "tests/emulated/close.hpp"
#include "tests/emulated/orders.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;
namespace device = kernels::device;
namespace cpu = kernels::cpu;
using kernels::Pool2dShape;

namespace {

template <class T>
constexpr double kEpsilon = sizeof(T) == 4 ? 0x1p-23 : 0x1p-8;

struct Case {
  std::int64_t samples, channels, height, width, kernel, stride, padding, dilation;
  Pool2dShape shape() const { return {samples * channels, height, width, kernel, stride, padding, dilation}; }
};

const std::vector<Case> kCases{{2, 16, 8, 8, 2, 2, 0, 1}, {1, 16, 9, 7, 3, 2, 1, 1},  {2, 5, 6, 5, 3, 1, 1, 1},
                               {1, 1, 1, 1, 1, 1, 0, 1},  {1, 8, 11, 13, 3, 2, 0, 2}, {1, 3, 7, 7, 5, 3, 2, 1},
                               {3, 8, 4, 4, 4, 4, 0, 1},  {0, 8, 4, 4, 2, 2, 0, 1},   {1, 40, 30, 12, 3, 2, 1, 1}};

template <class T>
std::vector<float> rounded(const std::vector<float>& x) {
  return test::widened(test::narrowed<T>(x));
}

std::vector<double> doubles(const std::vector<float>& x) { return {x.begin(), x.end()}; }

// A pooling in which way, on the CPU in R: forward of x and backward of dy.
template <class R>
struct Result {
  std::vector<R> y, dx;
};

enum class Kind { max, average, average_with_padding };

template <class R>
Result<R> on_cpu(const Case& c, Kind kind, const std::vector<R>& x, const std::vector<R>& dy) {
  const Pool2dShape s = c.shape();
  Result<R> result{std::vector<R>(dy.size()), std::vector<R>(x.size())};
  if (kind == Kind::max) {
    cpu::max_pool2d<R>({}, s, x.data(), result.y.data());
    cpu::max_pool2d_backward<R>({}, s, x.data(), dy.data(), result.dx.data(), false);
  } else {
    cpu::average_pool2d<R>({}, s, kind == Kind::average_with_padding, x.data(), result.y.data());
    cpu::average_pool2d_backward<R>({}, s, kind == Kind::average_with_padding, dy.data(), result.dx.data(), false);
  }
  return result;
}

template <class T>
void check(const Case& c, Kind kind, bool accumulate) {
  const Pool2dShape s = c.shape();
  test::Numbers numbers(static_cast<std::uint64_t>(c.height * 10 + c.kernel));
  const std::int64_t in = s.height * s.width, out = s.out_height() * s.out_width();
  // Few different values: ties in most windows.
  std::vector<float> x(static_cast<std::size_t>(s.planes * in));
  for (float& value : x) value = kind == Kind::max ? static_cast<float>(numbers.below(4)) : numbers.normal();
  x = rounded<T>(x);
  if (kind == Kind::max)
    for (std::size_t i = 0; i < x.size(); ++i)
      x[i] = i % 13 == 4  ? std::numeric_limits<float>::quiet_NaN()
             : i % 7 == 2 ? -std::numeric_limits<float>::infinity()
                          : x[i];
  const auto dy = rounded<T>(numbers.normals(s.planes * out)), old = rounded<T>(numbers.normals(s.planes * in));
  Result<double> exact = on_cpu<double>(c, kind, doubles(x), doubles(dy));
  Result<float> naive = on_cpu<float>(c, kind, x, dy);
  if (accumulate)
    for (std::size_t i = 0; i < x.size(); ++i) {
      exact.dx[i] += static_cast<double>(old[i]);
      naive.dx[i] += old[i];
    }

  const auto device_array = [&](const std::vector<float>& v, std::int64_t plane) {
    return simt::DeviceArray<T>(test::narrowed<T>(test::to_last(v, c.channels, plane)));
  };
  auto dev_x = device_array(x, in), dev_dy = device_array(dy, out), dev_dx = device_array(old, in);
  simt::DeviceArray<T> dev_y(dy.size());
  if (kind == Kind::max) {
    device::max_pool2d<T>({}, s, c.channels, dev_x.data(), dev_y.data());
    device::max_pool2d_backward<T>({}, s, c.channels, dev_x.data(), dev_dy.data(), dev_dx.data(), accumulate);
  } else {
    const bool padding = kind == Kind::average_with_padding;
    device::average_pool2d<T>({}, s, c.channels, padding, dev_x.data(), dev_y.data());
    device::average_pool2d_backward<T>({}, s, c.channels, padding, dev_dy.data(), dev_dx.data(), accumulate);
  }
  test::check_close(test::to_last(test::widened(dev_y.to_host()), c.channels, out, true), exact.y, rounded<T>(naive.y),
                    kEpsilon<T>);
  test::check_close(test::to_last(test::widened(dev_dx.to_host()), c.channels, in, true), exact.dx,
                    rounded<T>(naive.dx), kEpsilon<T>);
}

}  // namespace

TEST_CASE("max and average pooling on the device agree with the CPU's: ties, NaN, padding", "[small]") {
  test::for_each_order([](std::string_view order) {
    for (const Case& c : kCases)
      for (const Kind kind : {Kind::max, Kind::average, Kind::average_with_padding})
        for (const bool accumulate : {false, true}) {
          if (kind != Kind::max && c.dilation != 1) continue;
          INFO(order << " " << c.samples << " x " << c.height << " x " << c.width << " x " << c.channels << " kernel "
                     << c.kernel << " stride " << c.stride << " padding " << c.padding << " kind "
                     << static_cast<int>(kind) << " accumulate " << accumulate);
          check<float>(c, kind, accumulate);
          check<simt::bfloat16>(c, kind, accumulate);
        }
  });
}
