// Conversions between layouts and types, and the shortcut of option A.
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/layout/layout_device.hpp"
#include "kernels/shortcut/shortcut_device.hpp"
#include "tests/emulated/close.hpp"
#include "tests/emulated/orders.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;
namespace device = kernels::device;

namespace {

template <class From, class To>
void check_transpose(std::int64_t batch, std::int64_t rows, std::int64_t columns) {
  const auto x = test::widened(test::narrowed<From>(test::Numbers(2).normals(batch * rows * columns)));
  simt::DeviceArray<From> from(test::narrowed<From>(x));
  simt::DeviceArray<To> to(x.size());
  device::transpose<From, To>({}, batch, rows, columns, from.data(), to.data());
  const auto got = test::widened(to.to_host());
  std::int64_t wrong = 0;
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < columns; ++c) {
        const float value = x[static_cast<std::size_t>((b * rows + r) * columns + c)];
        const float expected = test::widened(test::narrowed<To>(value));
        wrong += got[static_cast<std::size_t>((b * columns + c) * rows + r)] == expected ? 0 : 1;
      }
  CHECK(wrong == 0);
}

template <class T>
void check_shortcut(const device::OptionAShape& s) {
  test::Numbers numbers(6);
  const std::int64_t in = s.samples * s.height * s.width * s.channels,
                     out = s.samples * s.out_height() * s.out_width() * s.out_channels,
                     before = (s.out_channels - s.channels) / 2;
  const auto held = [&](std::int64_t n) { return test::widened(test::narrowed<T>(numbers.normals(n))); };
  const auto x = held(in), dy = held(out), old = held(in);
  std::vector<float> y(static_cast<std::size_t>(out)), dx(static_cast<std::size_t>(in));
  for (std::int64_t n = 0; n < s.samples; ++n)
    for (std::int64_t i = 0; i < s.out_height(); ++i)
      for (std::int64_t j = 0; j < s.out_width(); ++j)
        for (std::int64_t c = 0; c < s.channels; ++c) {
          const auto from =
              static_cast<std::size_t>(((n * s.height + i * s.stride) * s.width + j * s.stride) * s.channels + c);
          const auto to =
              static_cast<std::size_t>(((n * s.out_height() + i) * s.out_width() + j) * s.out_channels + before + c);
          y[to] = x[from];
          dx[from] = dy[to];
        }
  simt::DeviceArray<T> dev_x(test::narrowed<T>(x)), dev_y(y.size()), dev_dy(test::narrowed<T>(dy)), dev_dx(dx.size());
  device::option_a_shortcut<T>({}, s, dev_x.data(), dev_y.data());
  CHECK(test::widened(dev_y.to_host()) == y);
  device::option_a_shortcut_backward<T>({}, s, dev_dy.data(), dev_dx.data(), false);
  CHECK(test::widened(dev_dx.to_host()) == dx);
  dev_dx.assign(test::narrowed<T>(old));
  device::option_a_shortcut_backward<T>({}, s, dev_dy.data(), dev_dx.data(), true);
  for (std::size_t i = 0; i < dx.size(); ++i) dx[i] = test::widened(test::narrowed<T>(old[i] + dx[i]));
  CHECK(test::widened(dev_dx.to_host()) == dx);
}

}  // namespace

TEST_CASE("transpose turns channels first into channels last and back", "[small]") {
  test::for_each_order([](std::string_view order) {
    struct Case {
      std::int64_t batch, rows, columns;
    };
    for (const Case& c : {Case{0, 3, 5}, Case{1, 1, 1}, Case{2, 3, 1024}, Case{1, 32, 32}, Case{3, 33, 31},
                          Case{2, 64, 49}, Case{1, 100, 7}, Case{2, 5, 0}}) {
      INFO(order << " " << c.batch << " x " << c.rows << " x " << c.columns);
      check_transpose<float, float>(c.batch, c.rows, c.columns);
      check_transpose<float, simt::bfloat16>(c.batch, c.rows, c.columns);
      check_transpose<simt::bfloat16, float>(c.batch, c.rows, c.columns);
      check_transpose<simt::bfloat16, simt::bfloat16>(c.batch, c.rows, c.columns);
    }
  });
}

TEST_CASE("convert rounds to nearest even and keeps what bf16 holds") {
  test::for_each_order([](std::string_view order) {
    for (const std::int64_t count : {0, 1, 7, 8, 9, 3000}) {
      INFO(order << " count " << count);
      const auto x = test::Numbers(1).normals(count);
      simt::DeviceArray<float> from(x), back(x.size());
      simt::DeviceArray<simt::bfloat16> to(x.size());
      device::convert<float, simt::bfloat16>({}, count, from.data(), to.data());
      device::convert<simt::bfloat16, float>({}, count, to.data(), back.data());
      CHECK(back.to_host() == test::widened(test::narrowed<simt::bfloat16>(x)));
    }
    simt::DeviceArray<float> from(std::vector<float>{1.00390625F, 1.01171875F, std::nanf(""), 3.4e38F}), back(4);
    simt::DeviceArray<simt::bfloat16> to(4);
    device::convert<float, simt::bfloat16>({}, 4, from.data(), to.data());
    device::convert<simt::bfloat16, float>({}, 4, to.data(), back.data());
    const auto got = back.to_host();
    CHECK(got[0] == 1);  // halfway between 1 and 1 + 2^-7: to even
    CHECK(got[1] == 1.015625F);
    CHECK(std::isnan(got[2]));
    CHECK(std::isinf(got[3]));
  });
}

TEST_CASE("option_a_shortcut on the device: forward and backward", "[small]") {
  test::for_each_order([](std::string_view order) {
    using device::OptionAShape;
    for (const OptionAShape& s :
         {OptionAShape{2, 8, 8, 16, 32, 2}, OptionAShape{1, 7, 5, 16, 32, 2}, OptionAShape{2, 5, 5, 3, 8, 1},
          OptionAShape{1, 1, 1, 1, 1, 2}, OptionAShape{1, 9, 4, 8, 13, 3}, OptionAShape{3, 4, 4, 8, 12, 2},
          OptionAShape{0, 8, 8, 16, 32, 2}, OptionAShape{1, 40, 40, 8, 24, 2}}) {
      INFO(order << " " << s.samples << " x " << s.height << " x " << s.width << " x " << s.channels << " -> "
                 << s.out_channels << " stride " << s.stride);
      check_shortcut<float>(s);
      check_shortcut<simt::bfloat16>(s);
    }
  });
}
