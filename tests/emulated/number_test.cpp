// Conversions, against rounding done in double: what kernels/simt/number.hpp promises. Each on the host and in a
// kernel.
#include "kernels/simt/number.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/random/philox.hpp"
#include "kernels/simt/runtime.hpp"
#include "tests/emulated/dialect.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;

namespace {

// `value` to the nearest multiple of `step`, a power of two; ties to even, or away from zero. The division is exact.
double round_to(double value, double step, bool ties_to_even) {
  const double scaled = value / step;
  return (ties_to_even ? std::nearbyint(scaled) : std::round(scaled)) * step;
}

// The nearest number with `fraction` bits after the leading one, exponents from `lowest` on, up to `largest`; beyond by
// half a step or more, infinity.
double rounded(float value, int fraction, int lowest, double largest, bool ties_to_even = true) {
  if (value == 0 || std::isnan(value) || std::isinf(value)) return value;
  const int exponent = std::max(std::ilogb(value), lowest);
  const double result = round_to(value, std::ldexp(1.0, exponent - fraction), ties_to_even);
  return std::fabs(result) > largest ? std::copysign(std::numeric_limits<double>::infinity(), value) : result;
}

std::vector<float> interesting() {
  std::vector<float> values;
  const float inf = std::numeric_limits<float>::infinity();
  for (const float value :
       {0.0f,      1.0f,        1.0f / 3,        65504.0f,   65519.9f,     65520.0f,    65536.0f,  0x1p-14f,
        0x1p-15f,  0x1p-24f,    0x1p-25f,        0x1.8p-25f, 0x1p-26f,     0x1p-126f,   0x1p-133f, 0x1p-134f,
        0x1p-149f, 0x1.fep127f, 0x1.fffffep127f, inf,        0x1.ffcp-15f, 0x1.ffep-15f})
    for (const float sign : {1.0f, -1.0f}) values.push_back(sign * value);
  // Just below, on and just above every kind of tie: 16 lower bits for bf16, 13 for the others.
  for (unsigned high = 0x3f80; high < 0x3f88; ++high)
    for (const unsigned low :
         {0x7fffu, 0x8000u, 0x8001u, 0xffffu, 0x0fffu, 0x1000u, 0x1001u, 0x2fffu, 0x3000u, 0x3001u})
      values.push_back(simt::float_of(high << 16 | low));
  for (std::uint64_t i = 0; i < 4000; ++i) values.push_back(simt::float_of(kernels::philox_bits(7, 3, i)));
  return values;
}

}  // namespace

TEST_CASE("conversions round to the nearest, ties as documented") {
  const std::vector<float> x = interesting();
  simt::DeviceArray<float> from(x);
  simt::DeviceArray<test::NumberReport> to(x.size());
  test::report_numbers(from.data(), to.data(), static_cast<unsigned>(x.size()), nullptr);
  const std::vector<test::NumberReport> reports = to.to_host();
  for (std::size_t i = 0; i < x.size(); ++i) {
    const test::NumberReport& r = reports[i];
    CAPTURE(x[i], simt::bits_of(x[i]));
    if (std::isnan(x[i])) {
      REQUIRE(r.bfloat16 == 0x7fff);
      REQUIRE(r.float16 == 0x7fff);
      REQUIRE(r.tf32 == 0x7fffffff);
      continue;
    }
    const double bf16 = rounded(x[i], 7, -126, 0x1.fep127), f16 = rounded(x[i], 10, -14, 65504.0);
    const double tf32 = rounded(x[i], 10, -126, 0x1.ffcp127, false);
    REQUIRE(static_cast<double>(simt::float_of(r.bfloat16 << 16)) == bf16);
    REQUIRE(static_cast<double>(r.from_bfloat16) == bf16);
    REQUIRE(static_cast<double>(r.from_float16) == f16);
    REQUIRE(static_cast<double>(simt::float_of(r.tf32)) == tf32);
    REQUIRE((r.tf32 & 0x1fffu) == 0);
    REQUIRE(std::signbit(r.from_float16) == std::signbit(x[i]));
    REQUIRE(simt::to_bfloat16(x[i]).bits == r.bfloat16);
    REQUIRE(simt::to_float16(x[i]).bits == r.float16);
    REQUIRE(simt::to_tf32(x[i]) == r.tf32);
    REQUIRE(r.packed == (r.bfloat16 | reports[(i + 1) % x.size()].bfloat16 << 16));
  }
}

TEST_CASE("every half survives the way to float and back") {
  for (unsigned bits = 0; bits < 0x10000; ++bits) {
    const simt::float16 half{static_cast<std::uint16_t>(bits)};
    const float value = simt::to_float(half);
    if ((bits & 0x7fffu) > 0x7c00u) {
      if (!std::isnan(value)) FAIL("NaN " << bits);
      continue;
    }
    if (simt::to_float16(value).bits != bits) FAIL(bits << " became " << simt::to_float16(value).bits);
  }
}

TEST_CASE("functions of one number") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> x{4.0f, 0.25f, -0.0f, 0.0f, nan, 2.0f, -1.0f, nan, nan, 1.0f};
  simt::DeviceArray<float> from(x);
  simt::DeviceArray<test::NumberReport> to(x.size());
  test::report_numbers(from.data(), to.data(), static_cast<unsigned>(x.size()), nullptr);
  const std::vector<test::NumberReport> r = to.to_host();
  REQUIRE(r[0].exp2 == 16.0f);
  REQUIRE(r[0].log2 == 2.0f);
  REQUIRE(r[0].rsqrt == 0.5f);
  REQUIRE(r[1].rsqrt == 2.0f);
  const unsigned bits = simt::bits_of(0.25f);
  REQUIRE(r[1].popcount == std::popcount(bits));
  REQUIRE(r[1].leading_zeros == std::countl_zero(bits));
  REQUIRE(r[1].find_first == std::countr_zero(bits));
  REQUIRE((r[3].popcount == 0 && r[3].leading_zeros == 32 && r[3].find_first == -1));
  REQUIRE((r[0].larger == 4.0f && r[0].smaller == 0.25f));
  // -0 beside +0, in both orders by the butterfly's symmetry.
  REQUIRE((!std::signbit(r[2].larger) && std::signbit(r[2].smaller)));
  REQUIRE((!std::signbit(simt::maximum(0.0f, -0.0f)) && std::signbit(simt::minimum(0.0f, -0.0f))));
  // A NaN gives way, on either side.
  REQUIRE((r[4].larger == 2.0f && r[4].smaller == 2.0f));
  REQUIRE((r[6].larger == -1.0f && r[6].smaller == -1.0f));
  REQUIRE((std::isnan(r[7].larger) && std::isnan(r[7].smaller)));
  REQUIRE((simt::maximum(3, -2) == 3 && simt::minimum(3u, 2u) == 2u));
}
