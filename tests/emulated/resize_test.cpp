// Bilinear interpolation and copies of columns.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/concat/concat_device.hpp"
#include "kernels/resize/resize_device.hpp"
#include "tests/emulated/close.hpp"
#include "tests/emulated/orders.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;
namespace device = kernels::device;
using kernels::ResizeShape;

namespace {

template <class T>
constexpr double kEpsilon = sizeof(T) == 4 ? 0x1p-23 : 0x1p-8;

template <class T>
std::vector<float> rounded(const std::vector<float>& x) {
  return test::widened(test::narrowed<T>(x));
}

// The output's two inputs along an axis, by the definition in resize.hpp, in precision R.
template <class R>
struct Taps {
  std::int64_t low, high;
  R weight;
  Taps(std::int64_t i, std::int64_t in, std::int64_t out, bool align) {
    R at = align ? (out > 1 ? static_cast<R>(i * (in - 1)) / static_cast<R>(out - 1) : 0)
                 : static_cast<R>((2 * i + 1) * in) / static_cast<R>(2 * out) - static_cast<R>(0.5);
    at = std::max<R>(at, 0);
    low = std::min<std::int64_t>(static_cast<std::int64_t>(at), in - 1);
    weight = low + 1 < in ? at - static_cast<R>(low) : 0;
    high = weight > 0 ? low + 1 : low;
  }
};

template <class R>
struct Result {
  std::vector<R> y, dx;
};

template <class R>
Result<R> plain(const ResizeShape& s, std::int64_t channels, const std::vector<float>& x,
                const std::vector<float>& dy) {
  Result<R> result{std::vector<R>(dy.size()), std::vector<R>(x.size())};
  const std::int64_t samples = channels > 0 ? s.planes / channels : 0;
  for (std::int64_t n = 0; n < samples; ++n)
    for (std::int64_t i = 0; i < s.out_height; ++i)
      for (std::int64_t j = 0; j < s.out_width; ++j) {
        const Taps<R> row(i, s.height, s.out_height, s.align_corners), column(j, s.width, s.out_width, s.align_corners);
        for (std::int64_t c = 0; c < channels; ++c) {
          const auto to = static_cast<std::size_t>(((n * s.out_height + i) * s.out_width + j) * channels + c);
          const auto tap = [&](std::int64_t h, std::int64_t w, R weight) {
            if (weight == 0) return;
            const auto from = static_cast<std::size_t>(((n * s.height + h) * s.width + w) * channels + c);
            result.y[to] += weight * static_cast<R>(x[from]);
            result.dx[from] += weight * static_cast<R>(dy[to]);
          };
          tap(row.low, column.low, (1 - row.weight) * (1 - column.weight));
          tap(row.low, column.high, (1 - row.weight) * column.weight);
          tap(row.high, column.low, row.weight * (1 - column.weight));
          tap(row.high, column.high, row.weight * column.weight);
        }
      }
  return result;
}

template <class T>
void check(const ResizeShape& s, std::int64_t channels, bool accumulate) {
  test::Numbers numbers(static_cast<std::uint64_t>(s.height + 50 * s.out_height));
  const std::int64_t in = s.planes * s.height * s.width, out = s.planes * s.out_height * s.out_width;
  const auto x = rounded<T>(numbers.normals(in)), dy = rounded<T>(numbers.normals(out)),
             old = rounded<T>(numbers.normals(in));
  auto exact = plain<double>(s, channels, x, dy);
  auto naive = plain<float>(s, channels, x, dy);
  if (accumulate)
    for (std::size_t i = 0; i < x.size(); ++i) {
      exact.dx[i] += static_cast<double>(old[i]);
      naive.dx[i] += old[i];
    }
  simt::DeviceArray<T> dev_x(test::narrowed<T>(x)), dev_y(dy.size()), dev_dy(test::narrowed<T>(dy)),
      dev_dx(test::narrowed<T>(old));
  device::bilinear_resize<T>({}, s, channels, dev_x.data(), dev_y.data());
  test::check_close(test::widened(dev_y.to_host()), exact.y, rounded<T>(naive.y), kEpsilon<T>);
  device::bilinear_resize_backward<T>({}, s, channels, dev_dy.data(), dev_dx.data(), accumulate);
  test::check_close(test::widened(dev_dx.to_host()), exact.dx, rounded<T>(naive.dx), kEpsilon<T>);
}

template <class T>
void check_copy(std::int64_t rows, std::int64_t columns, std::int64_t from_stride, std::int64_t to_stride,
                std::int64_t offset, bool accumulate) {
  test::Numbers numbers(9);
  const auto from = rounded<T>(numbers.normals(rows * from_stride)), to = rounded<T>(numbers.normals(rows * to_stride));
  auto expected = to;
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c) {
      float& value = expected[static_cast<std::size_t>(r * to_stride + offset + c)];
      value = from[static_cast<std::size_t>(r * from_stride + c)] + (accumulate ? value : 0);
    }
  simt::DeviceArray<T> a(test::narrowed<T>(from)), b(test::narrowed<T>(to));
  device::copy_columns<T>({}, rows, columns, a.data(), from_stride, b.data() + offset, to_stride, accumulate);
  CHECK(test::widened(b.to_host()) == rounded<T>(expected));
}

}  // namespace

TEST_CASE("bilinear_resize on the device: up, down, corners, one pixel") {
  struct Case {
    std::int64_t samples, channels, height, width, out_height, out_width;
  };
  test::for_each_order([](std::string_view order) {
    for (const Case& c : {Case{2, 16, 4, 5, 8, 10}, Case{1, 5, 6, 6, 6, 6}, Case{1, 8, 1, 1, 7, 3},
                          Case{1, 8, 9, 7, 1, 1}, Case{2, 4, 13, 11, 5, 17}, Case{1, 1, 2, 3, 40, 33},
                          Case{1, 40, 30, 20, 11, 3}, Case{0, 8, 4, 4, 8, 8}, Case{1, 19, 5, 5, 37, 41}})
      for (const bool align : {false, true})
        for (const bool accumulate : {false, true}) {
          INFO(order << " " << c.height << " x " << c.width << " x " << c.channels << " -> " << c.out_height << " x "
                     << c.out_width << " align_corners " << align << " accumulate " << accumulate);
          const ResizeShape s{c.samples * c.channels, c.height, c.width, c.out_height, c.out_width, align};
          check<float>(s, c.channels, accumulate);
          check<simt::bfloat16>(s, c.channels, accumulate);
        }
  });
}

TEST_CASE("bilinear_resize on the device: to the same size it is a copy, infinities and NaN included", "[small]") {
  test::for_each_order([](std::string_view order) {
    INFO(order);
    auto x = test::Numbers(2).normals(7 * 9 * 4);
    x[100] = std::numeric_limits<float>::infinity();
    x[101] = std::numeric_limits<float>::quiet_NaN();
    for (const bool align : {false, true}) {
      simt::DeviceArray<float> a(x), y(x.size());
      device::bilinear_resize<float>({}, {4, 7, 9, 7, 9, align}, 4, a.data(), y.data());
      auto got = y.to_host();
      CHECK(std::isnan(got[101]));
      got[101] = 0;
      auto expected = x;
      expected[101] = 0;
      CHECK(got == expected);
    }
  });
}

TEST_CASE("bilinear_resize on the device: the largest extents do not overflow") {
  const std::int64_t large = device::kLargestResizeExtent;
  for (const bool align : {false, true}) {
    // A ramp stays a ramp.
    std::vector<float> ramp(static_cast<std::size_t>(large));
    for (std::size_t i = 0; i < ramp.size(); ++i) ramp[i] = static_cast<float>(i);
    simt::DeviceArray<float> x(ramp), y(ramp.size());
    device::bilinear_resize<float>({}, {1, 1, large, 1, large, align}, 1, x.data(), y.data());
    CHECK(y.to_host() == ramp);
    simt::DeviceArray<float> few(std::vector<float>{0, 1}), dx(2);
    device::bilinear_resize<float>({}, {1, 1, 2, 1, large, align}, 1, few.data(), y.data());
    const auto up = y.to_host();
    CHECK(std::ranges::is_sorted(up));
    CHECK(up.front() == 0);
    CHECK(up.back() == 1);
    simt::DeviceArray<float> ones(std::vector<float>(ramp.size(), 1));
    device::bilinear_resize_backward<float>({}, {1, 1, 2, 1, large, align}, 1, ones.data(), dx.data(), false);
    const auto sums = dx.to_host();
    CHECK(sums[0] + sums[1] == Approx(large).epsilon(1e-3));
  }
}

TEST_CASE("copy_columns on the device: any widths, strides and addresses", "[small]") {
  test::for_each_order([](std::string_view order) {
    INFO(order);
    for (const bool accumulate : {false, true}) {
      check_copy<float>(5, 8, 8, 24, 8, accumulate);
      check_copy<float>(300, 16, 32, 16, 0, accumulate);
      check_copy<float>(7, 5, 9, 11, 3, accumulate);
      check_copy<float>(1, 1, 1, 1, 0, accumulate);
      check_copy<float>(0, 4, 4, 4, 0, accumulate);
      check_copy<float>(4, 8, 8, 16, 1, accumulate);
      check_copy<simt::bfloat16>(33, 8, 16, 24, 16, accumulate);
      check_copy<simt::bfloat16>(20, 12, 12, 20, 4, accumulate);
    }
  });
}
