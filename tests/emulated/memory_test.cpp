// Packs, asynchronous copies, atomics: what kernels/simt/memory.hpp promises; and the host's side, runtime.hpp.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/simt/runtime.hpp"
#include "tests/emulated/dialect.hpp"
#include "tests/emulated/orders.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;
using simt::DeviceArray;

namespace {

template <int kBytes>
void check_stages() {
  constexpr std::size_t kGranule = test::copy_granule<kBytes>();
  for (const std::size_t length :
       {std::size_t{0}, std::size_t{kBytes / 4}, kGranule, kGranule + kBytes / 4, 7 * kGranule - kBytes / 4}) {
    std::vector<float> x(length);
    std::iota(x.begin(), x.end(), 1.0f);
    const std::size_t written = (length + kGranule - 1) / kGranule * kGranule;
    test::for_each_order([&](std::string_view order) {
      INFO(order << ", " << kBytes << " bytes, length " << length);
      DeviceArray<float> from(x), to(written);
      test::copy_through_stages<kBytes>(from.data(), to.data(), length, nullptr);
      const std::vector<float> y = to.to_host();
      for (std::size_t i = 0; i < written; ++i) REQUIRE(y[i] == (i < length ? x[i] : 0.0f));
    });
  }
}

template <class T, int N>
void check_packs(std::size_t length) {
  std::vector<T> x(length);
  std::iota(x.begin(), x.end(), T{1});
  test::for_each_order([&](std::string_view order) {
    INFO(order << ", " << N << " elements of " << sizeof(T) << " bytes");
    DeviceArray<T> from(x), to(length);
    test::copy_packs<T, N>(from.data(), to.data(), length, nullptr);
    REQUIRE(to.to_host() == x);
  });
}

}  // namespace

TEST_CASE("copies land in the stage that their group was waited for", "[small]") {
  check_stages<4>();
  check_stages<8>();
  check_stages<16>();
}

TEST_CASE("packs of 2 to 16 bytes") {
  check_packs<std::uint16_t, 1>(1001);
  check_packs<std::uint16_t, 2>(1002);
  check_packs<float, 2>(1002);
  check_packs<float, 4>(1004);
}

TEST_CASE("atomics count, in every order of threads and blocks") {
  std::vector<int> x(1000);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<int>(i * i % 13);
  test::for_each_order([&](std::string_view order) {
    INFO(order);
    DeviceArray<int> from(x), highest(1);
    DeviceArray<unsigned long long> counts(16);
    DeviceArray<float> float_counts(16);
    DeviceArray<unsigned> first_seen(16);
    simt::clear(counts.data(), 0, 16 * sizeof(unsigned long long));
    simt::clear(float_counts.data(), 0, 16 * sizeof(float));
    simt::clear(first_seen.data(), 0, 16 * sizeof(unsigned));
    simt::clear(highest.data(), 0xff, sizeof(int));  // -1
    test::count_values(from.data(), 1000, counts.data(), float_counts.data(), highest.data(), first_seen.data(),
                       nullptr);
    for (int value = 0; value < 16; ++value) {
      const auto i = static_cast<std::size_t>(value);
      const auto expected = std::count(x.begin(), x.end(), value);
      const auto found = std::find(x.begin(), x.end(), value);
      REQUIRE(counts.to_host()[i] == static_cast<unsigned long long>(expected));
      REQUIRE(float_counts.to_host()[i] == static_cast<float>(expected));
      REQUIRE(first_seen.to_host()[i] == (found == x.end() ? 0u : static_cast<unsigned>(found - x.begin() + 1)));
    }
    REQUIRE(highest.to_host()[0] == *std::max_element(x.begin(), x.end()));
  });
}

TEST_CASE("device arrays move, and no bytes are no memory") {
  REQUIRE(simt::allocate(0) == nullptr);
  simt::release(nullptr);
  DeviceArray<int> none(std::size_t{0});
  REQUIRE(none.to_host().empty());
  DeviceArray<int> a(std::vector<int>{1, 2, 3});
  DeviceArray<int> b(std::move(a));
  none = std::move(b);
  REQUIRE(none.to_host() == std::vector<int>{1, 2, 3});
  REQUIRE(reinterpret_cast<std::uintptr_t>(none.data()) % 256 == 0);
  void* stream = simt::create_stream();
  simt::clear(none.data() + 1, 0, sizeof(int), stream);
  simt::synchronize(stream);
  simt::destroy_stream(stream);
  REQUIRE(none.to_host() == std::vector<int>{1, 0, 3});
}
