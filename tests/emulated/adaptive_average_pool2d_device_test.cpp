#include "kernels/pool2d/adaptive_average_pool2d_device.hpp"

#include <vector>

#include "tests/emulated/channels_last.hpp"
#include "tests/emulated/close.hpp"
#include "tests/emulated/orders.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;
namespace device = kernels::device;
namespace cpu = kernels::cpu;
using kernels::AdaptivePoolShape;

namespace {

struct Case {
  std::int64_t samples, channels, height, width, out_height, out_width;
  AdaptivePoolShape shape() const { return {samples * channels, height, width, out_height, out_width}; }
};

const std::vector<Case> kCases{{2, 16, 8, 8, 2, 4}, {1, 5, 9, 7, 3, 6},   {2, 8, 5, 4, 6, 6}, {1, 40, 30, 13, 1, 1},
                               {1, 1, 1, 1, 3, 2},  {3, 264, 6, 6, 6, 6}, {0, 8, 4, 4, 2, 2}};

template <class R>
struct Result {
  std::vector<R> y, dx;
};

template <class R>
Result<R> on_cpu(const Case& c, const std::vector<float>& x, const std::vector<float>& dy,
                 const std::vector<float>& old, bool accumulate) {
  const std::vector<R> from(x.begin(), x.end()), gradient(dy.begin(), dy.end());
  Result<R> result{std::vector<R>(dy.size()), std::vector<R>(old.begin(), old.end())};
  cpu::adaptive_average_pool2d<R>({}, c.shape(), from.data(), result.y.data());
  cpu::adaptive_average_pool2d_backward<R>({}, c.shape(), gradient.data(), result.dx.data(), accumulate);
  return result;
}

template <class T>
void check(const Case& c, bool accumulate) {
  constexpr double kEpsilon = sizeof(T) == 4 ? 0x1p-23 : 0x1p-8;
  const AdaptivePoolShape s = c.shape();
  test::Numbers numbers(static_cast<std::uint64_t>(c.height * 10 + c.out_width));
  const std::int64_t in = s.height * s.width, out = s.out_height * s.out_width;
  const auto rounded = [](const std::vector<float>& v) { return test::widened(test::narrowed<T>(v)); };
  const auto x = rounded(numbers.normals(s.planes * in)), dy = rounded(numbers.normals(s.planes * out)),
             old = rounded(numbers.normals(s.planes * in));
  const Result<double> exact = on_cpu<double>(c, x, dy, old, accumulate);
  const Result<float> naive = on_cpu<float>(c, x, dy, old, accumulate);
  const auto device_array = [&](const std::vector<float>& v, std::int64_t plane) {
    return simt::DeviceArray<T>(test::narrowed<T>(test::to_last(v, c.channels, plane)));
  };
  auto dev_x = device_array(x, in), dev_dy = device_array(dy, out), dev_dx = device_array(old, in);
  simt::DeviceArray<T> dev_y(dy.size());
  device::adaptive_average_pool2d<T>({}, s, c.channels, dev_x.data(), dev_y.data());
  device::adaptive_average_pool2d_backward<T>({}, s, c.channels, dev_dy.data(), dev_dx.data(), accumulate);
  test::check_close(test::to_last(test::widened(dev_y.to_host()), c.channels, out, true), exact.y, rounded(naive.y),
                    kEpsilon);
  test::check_close(test::to_last(test::widened(dev_dx.to_host()), c.channels, in, true), exact.dx, rounded(naive.dx),
                    kEpsilon);
}

}  // namespace

TEST_CASE("adaptive average pooling on the device agrees with the CPU's", "[small]") {
  test::for_each_order([](std::string_view order) {
    for (const Case& c : kCases)
      for (const bool accumulate : {false, true}) {
        INFO(order << " " << c.samples << " x " << c.height << " x " << c.width << " x " << c.channels << " to "
                   << c.out_height << " x " << c.out_width << " accumulate " << accumulate);
        check<float>(c, accumulate);
        check<simt::bfloat16>(c, accumulate);
      }
  });
}
