// Threads, barriers and warps: what kernels/simt/threads.hpp and reductions.hpp promise.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "kernels/simt/runtime.hpp"
#include "tests/emulated/dialect.hpp"
#include "tests/emulated/orders.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;
using simt::DeviceArray;

namespace {

// Values that differ in every place, some negative, with sums that round.
std::vector<float> uneven(std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i)
    values[i] = (i % 3 == 0 ? -1.0f : 1.0f) * (1.0f + static_cast<float>(i * 37 % 101) / 7.0f);
  return values;
}

// The butterfly of warp_sum, for lane 0.
float butterfly_sum(std::vector<float> x) {
  for (std::size_t bits = 16; bits > 0; bits /= 2) {
    const std::vector<float> before = x;
    for (std::size_t lane = 0; lane < 32; ++lane) x[lane] = before[lane] + before[lane ^ bits];
  }
  return x[0];
}

bool same_bits(float a, float b) { return std::bit_cast<unsigned>(a) == std::bit_cast<unsigned>(b); }

}  // namespace

TEST_CASE("every thread finds its place in a three-dimensional grid") {
  test::for_each_order([](std::string_view order) {
    INFO(order);
    DeviceArray<test::ThreadReport> reports(2 * 3 * 2 * 5 * 4 * 3);
    test::report_threads(reports.data(), nullptr);
    std::size_t at = 0;
    const std::vector<test::ThreadReport> all = reports.to_host();
    for (unsigned bz = 0; bz < 2; ++bz)
      for (unsigned by = 0; by < 3; ++by)
        for (unsigned bx = 0; bx < 2; ++bx)
          for (unsigned i = 0; i < 60; ++i) {
            const test::ThreadReport& r = all[at++];
            REQUIRE(std::vector(r.block, r.block + 3) == std::vector{bx, by, bz});
            REQUIRE(std::vector(r.thread, r.thread + 3) == std::vector{i % 5, i / 5 % 4, i / 20});
            REQUIRE(std::equal(r.block_size, r.block_size + 3, test::kReportBlock));
            REQUIRE(std::equal(r.grid_size, r.grid_size + 3, test::kReportGrid));
            REQUIRE(r.lane == i % 32);
            REQUIRE(r.warp == i / 32);
          }
  });
}

TEST_CASE("warp operations exchange and reduce over the lanes of a warp") {
  std::vector<float> x = uneven(64);
  x[40] = 2000;
  test::for_each_order([&](std::string_view order) {
    INFO(order);
    DeviceArray<float> from(x);
    DeviceArray<test::WarpReport> reports(64);
    test::report_warps(from.data(), reports.data(), nullptr);
    const std::vector<test::WarpReport> all = reports.to_host();
    for (std::size_t i = 0; i < 64; ++i) {
      const std::size_t lane = i % 32, first = i - lane;
      const std::vector<float> mine(x.begin() + static_cast<std::ptrdiff_t>(first),
                                    x.begin() + static_cast<std::ptrdiff_t>(first) + 32);
      const test::WarpReport& r = all[i];
      REQUIRE(r.shuffled == mine[31 - lane]);
      REQUIRE(r.up == (lane < 3 ? mine[lane] : mine[lane - 3]));
      REQUIRE(r.down == (lane > 28 ? mine[lane] : mine[lane + 3]));
      REQUIRE(r.crossed == mine[lane ^ 5]);
      REQUIRE(r.shuffled_double == static_cast<double>(mine[31 - lane]) + 0x1p-40);
      REQUIRE(same_bits(r.sum, butterfly_sum(mine)));
      REQUIRE(r.max == *std::max_element(mine.begin(), mine.end()));
      REQUIRE(r.min == *std::min_element(mine.begin(), mine.end()));
      unsigned positive = 0;
      for (unsigned l = 0; l < 32; ++l) positive |= mine[l] > 0 ? 1u << l : 0u;
      REQUIRE(r.positive == positive);
      REQUIRE(r.any_large == (i >= 32 ? 1 : 0));
      REQUIRE(r.all_small == (i >= 32 ? 0 : 1));
    }
  });
}

TEST_CASE("extrema of a warp pass over NaN and give the same zero to every lane") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> x(64, nan);
  x[7] = -0.0f;
  x[20] = 0.0f;
  std::fill(x.begin() + 32, x.end(), -3.0f);
  x[63] = nan;
  test::for_each_order([&](std::string_view order) {
    INFO(order);
    DeviceArray<float> from(x);
    DeviceArray<test::WarpReport> reports(64);
    test::report_warps(from.data(), reports.data(), nullptr);
    const std::vector<test::WarpReport> all = reports.to_host();
    for (std::size_t i = 0; i < 32; ++i) {
      REQUIRE(same_bits(all[i].max, 0.0f));
      REQUIRE(same_bits(all[i].min, -0.0f));
      REQUIRE(std::isnan(all[i].sum));
    }
    for (std::size_t i = 32; i < 64; ++i) REQUIRE((all[i].max == -3.0f && all[i].min == -3.0f));
  });
}

TEST_CASE("parties of lanes exchange apart from each other") {
  std::vector<float> x(32);
  std::iota(x.begin(), x.end(), 100.0f);
  for (const unsigned lanes : {0x0000ffffu, 0x0f0f0f0fu, 0x55555555u, 0x00000001u, 0x80000001u, 0xffffffffu}) {
    test::for_each_order([&](std::string_view order) {
      INFO(order << " " << lanes);
      DeviceArray<float> from(x), to(32);
      test::rotate_in_parties(from.data(), to.data(), lanes, nullptr);
      const std::vector<float> y = to.to_host();
      for (unsigned lane = 0; lane < 32; ++lane) {
        const unsigned mine = (lanes >> lane & 1u) != 0 ? lanes : ~lanes;
        unsigned next = (lane + 1) % 32;
        while ((mine >> next & 1u) == 0) next = (next + 1) % 32;
        REQUIRE(y[lane] == x[next]);
      }
    });
  }
}

TEST_CASE("barriers let a block and a warp pass values through shared storage", "[small]") {
  std::vector<float> x(5 * 256);
  std::iota(x.begin(), x.end(), 0.0f);
  test::for_each_order([&](std::string_view order) {
    INFO(order);
    DeviceArray<float> from(x), to(x.size());
    test::reverse_blocks(from.data(), to.data(), x.size(), nullptr);
    std::vector<float> y = to.to_host();
    for (std::size_t i = 0; i < x.size(); ++i) REQUIRE(y[i] == x[i / 256 * 256 + 255 - i % 256]);
    test::reverse_warps(from.data(), to.data(), x.size(), nullptr);
    y = to.to_host();
    for (std::size_t i = 0; i < x.size(); ++i) REQUIRE(y[i] == x[i / 32 * 32 + 31 - i % 32]);
  });
}

TEST_CASE("a block's sum has the same bits on every thread and in every order") {
  std::vector<float> x = uneven(100 * 96);
  x[96 * 5 + 50] = std::numeric_limits<float>::quiet_NaN();
  test::for_each_order([&](std::string_view order) {
    INFO(order);
    DeviceArray<float> from(x);
    DeviceArray<test::BlockReport> reports(100);
    test::report_blocks(from.data(), reports.data(), 100, nullptr);
    const std::vector<test::BlockReport> all = reports.to_host();
    for (std::size_t b = 0; b < 100; ++b) {
      float half = 0;
      int positive = 0;
      for (std::size_t w = 0; w < 3; ++w) {
        std::vector<float> mine(32);
        for (std::size_t l = 0; l < 32; ++l) {
          mine[l] = x[b * 96 + w * 32 + l] * 0.5f;
          positive += mine[l] > 0 ? 1 : 0;
        }
        half = w == 0 ? butterfly_sum(mine) : half + butterfly_sum(mine);
      }
      if (b != 5) REQUIRE(same_bits(all[b].sum, half + half));
      REQUIRE(all[b].positive == positive);
      REQUIRE(all[b].any_nan == (b == 5 ? 1 : 0));
    }
  });
}

TEST_CASE("the block that finishes last sees what the others wrote", "[small]") {
  const std::vector<float> x = uneven(5000);
  test::for_each_order([&](std::string_view order) {
    INFO(order);
    DeviceArray<float> from(x), partial(7), sum(1);
    DeviceArray<unsigned> ticket(1);
    simt::clear(ticket.data(), 0, sizeof(unsigned));
    test::sum_by_last_block(from.data(), x.size(), partial.data(), 7, ticket.data(), sum.data(), nullptr);
    const double expected = std::accumulate(x.begin(), x.end(), 0.0);
    REQUIRE(sum.to_host()[0] == Approx(expected).epsilon(1e-5));
    REQUIRE(ticket.to_host()[0] == 7);
  });
}

TEST_CASE("a grid without blocks does nothing") {
  test::reverse_blocks(nullptr, nullptr, 0, nullptr);
  test::report_blocks(nullptr, nullptr, 0, nullptr);
}
