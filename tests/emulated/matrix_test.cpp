// Fragment layouts against the PTX ISA's own formulas, and against a second table of the same facts: CuTe's
// thread-value layouts (cute/atom/mma_traits_sm80.hpp), where an element lies at the sum of index times stride.
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/simt/number.hpp"
#include "kernels/simt/runtime.hpp"
#include "tests/emulated/dialect.hpp"
#include "tests/emulated/orders.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;
using simt::DeviceArray;

namespace {

struct Position {
  unsigned row, column;
};

// PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point type", elements ai, bi, ci of a lane; two elements a
// register for A and B.
Position bf16_a(unsigned lane, unsigned i) {
  const unsigned group_id = lane >> 2, thread_id_in_group = lane % 4;
  const unsigned row = i < 2 || (4 <= i && i < 6) ? group_id : group_id + 8;
  const unsigned column = i < 4 ? thread_id_in_group * 2 + (i & 1) : thread_id_in_group * 2 + (i & 1) + 8;
  return {row, column};
}
Position bf16_b(unsigned lane, unsigned i) {
  const unsigned group_id = lane >> 2, thread_id_in_group = lane % 4;
  const unsigned row = i < 2 ? thread_id_in_group * 2 + (i & 1) : thread_id_in_group * 2 + (i & 1) + 8;
  return {row, group_id};
}
Position accumulator(unsigned lane, unsigned i) {
  const unsigned group_id = lane >> 2, thread_id_in_group = lane % 4;
  return {i < 2 ? group_id : group_id + 8, thread_id_in_group * 2 + (i & 1)};
}
// "Matrix Fragments for mma.m16n8k8", .tf32.
Position tf32_a(unsigned lane, unsigned i) {
  const unsigned group_id = lane >> 2, thread_id_in_group = lane % 4;
  return {i == 0 || i == 2 ? group_id : group_id + 8, i < 2 ? thread_id_in_group : thread_id_in_group + 4};
}
Position tf32_b(unsigned lane, unsigned i) {
  const unsigned group_id = lane >> 2, thread_id_in_group = lane % 4;
  return {i == 0 ? thread_id_in_group : thread_id_in_group + 4, group_id};
}

// One of CuTe's layouts: lane = t + 4 * g, element i by its bits from the lowest on.
struct Strides {
  unsigned t, g;
  std::array<unsigned, 3> bit;
  unsigned at(unsigned lane, unsigned i) const {
    return lane % 4 * t + lane / 4 * g + (i & 1) * bit[0] + (i >> 1 & 1) * bit[1] + (i >> 2 & 1) * bit[2];
  }
};
// A lies as m + 16 * k, B as n + 8 * k, C as m + 16 * n.
constexpr Strides kBf16A{32, 1, {16, 8, 128}}, kBf16B{16, 1, {8, 64, 0}}, kAccumulator{32, 1, {16, 8, 0}};
constexpr Strides kTf32A{16, 1, {8, 64, 0}}, kTf32B{8, 1, {32, 0, 0}};

// D = A * B + C through the instruction, from matrices a [16][depth], b [depth][8], c [16][8] of bit patterns of the
// operand type (16 bits for depth 16, 32 for depth 8).
std::vector<float> multiply(unsigned depth, const std::vector<unsigned>& a, const std::vector<unsigned>& b,
                            const std::vector<float>& c) {
  const bool tf32 = depth == 8;
  std::vector<unsigned> ra(32 * 4), rb(32 * 2);
  std::vector<float> rc(32 * 4), d(16 * 8);
  for (unsigned lane = 0; lane < 32; ++lane) {
    for (unsigned i = 0; i < (tf32 ? 4u : 8u); ++i) {
      const Position p = tf32 ? tf32_a(lane, i) : bf16_a(lane, i);
      const unsigned element = a[p.row * depth + p.column];
      if (tf32) {
        ra[lane * 4 + i] = element;
      } else {
        ra[lane * 4 + i / 2] |= element << (i % 2 * 16);
      }
    }
    for (unsigned i = 0; i < (tf32 ? 2u : 4u); ++i) {
      const Position p = tf32 ? tf32_b(lane, i) : bf16_b(lane, i);
      const unsigned element = b[p.row * 8 + p.column];
      if (tf32) {
        rb[lane * 2 + i] = element;
      } else {
        rb[lane * 2 + i / 2] |= element << (i % 2 * 16);
      }
    }
    for (unsigned i = 0; i < 4; ++i) {
      const Position p = accumulator(lane, i);
      rc[lane * 4 + i] = c[p.row * 8 + p.column];
    }
  }
  DeviceArray<unsigned> da(ra), db(rb);
  DeviceArray<float> dc(rc), dd(32 * 4);
  (tf32 ? test::multiply_tf32 : test::multiply_bf16)(da.data(), db.data(), dc.data(), dd.data(), nullptr);
  const std::vector<float> rd = dd.to_host();
  for (unsigned lane = 0; lane < 32; ++lane)
    for (unsigned i = 0; i < 4; ++i) {
      const Position p = accumulator(lane, i);
      d[p.row * 8 + p.column] = rd[lane * 4 + i];
    }
  return d;
}

unsigned operand(unsigned depth, float value) {
  return depth == 8 ? simt::bits_of(value) : simt::to_bfloat16(value).bits;
}

}  // namespace

TEST_CASE("the formulas of the PTX ISA and CuTe's layouts say the same") {
  for (unsigned lane = 0; lane < 32; ++lane) {
    for (unsigned i = 0; i < 8; ++i) REQUIRE(bf16_a(lane, i).row + 16 * bf16_a(lane, i).column == kBf16A.at(lane, i));
    for (unsigned i = 0; i < 4; ++i) {
      REQUIRE(bf16_b(lane, i).column + 8 * bf16_b(lane, i).row == kBf16B.at(lane, i));
      REQUIRE(tf32_a(lane, i).row + 16 * tf32_a(lane, i).column == kTf32A.at(lane, i));
      REQUIRE(accumulator(lane, i).row + 16 * accumulator(lane, i).column == kAccumulator.at(lane, i));
    }
    for (unsigned i = 0; i < 2; ++i) REQUIRE(tf32_b(lane, i).column + 8 * tf32_b(lane, i).row == kTf32B.at(lane, i));
  }
}

TEST_CASE("products of small whole numbers are exact, element by element") {
  for (const unsigned depth : {16u, 8u}) {
    // Every row, column and k has a value of its own: a swap of any two elements changes the product.
    std::vector<unsigned> a(16 * depth), b(depth * 8);
    std::vector<float> c(16 * 8);
    const auto a_value = [&](unsigned row, unsigned k) { return static_cast<float>((row * 7 + k * 3) % 23) - 9.0f; };
    const auto b_value = [&](unsigned k, unsigned n) { return static_cast<float>((k * 5 + n * 11) % 19) - 7.0f; };
    for (unsigned row = 0; row < 16; ++row)
      for (unsigned k = 0; k < depth; ++k) a[row * depth + k] = operand(depth, a_value(row, k));
    for (unsigned k = 0; k < depth; ++k)
      for (unsigned n = 0; n < 8; ++n) b[k * 8 + n] = operand(depth, b_value(k, n));
    for (unsigned i = 0; i < c.size(); ++i) c[i] = static_cast<float>(i) * 0.25f - 10.0f;
    test::for_each_order([&](std::string_view order) {
      INFO(order << ", K = " << depth);
      const std::vector<float> d = multiply(depth, a, b, c);
      for (unsigned row = 0; row < 16; ++row)
        for (unsigned n = 0; n < 8; ++n) {
          double expected = c[row * 8 + n];
          for (unsigned k = 0; k < depth; ++k) expected += static_cast<double>(a_value(row, k)) * b_value(k, n);
          REQUIRE(d[row * 8 + n] == static_cast<float>(expected));
        }
    });
  }
}

TEST_CASE("a product takes one element of A and of B to one of D") {
  for (const unsigned depth : {16u, 8u})
    for (unsigned row = 0; row < 16; row += 5)
      for (unsigned k = 0; k < depth; k += 3)
        for (unsigned n = 0; n < 8; ++n) {
          std::vector<unsigned> a(16 * depth), b(depth * 8);
          a[row * depth + k] = operand(depth, 3.0f);
          b[k * 8 + n] = operand(depth, 5.0f);
          const std::vector<float> d = multiply(depth, a, b, std::vector<float>(128, 1.0f));
          for (unsigned i = 0; i < 128; ++i) REQUIRE(d[i] == (i == row * 8 + n ? 16.0f : 1.0f));
        }
}

TEST_CASE("sums are kept in float, tf32 operands are cut to 19 bits") {
  std::vector<unsigned> a(16 * 16), b(16 * 8);
  std::vector<float> c(16 * 8, 0x1p-10f);
  for (unsigned k = 0; k < 16; ++k) {
    a[k] = operand(16, k == 0 ? 255.0f : 0.00390625f);  // 8 bits; 1/256
    b[k * 8] = operand(16, k == 0 ? 255.0f : 1.0f);
  }
  // 65025 + 15/256 + 2^-10 does not fit bf16 and fits a float to within its last place.
  REQUIRE(multiply(16, a, b, c)[0] == Approx(65025.0 + 15.0 / 256 + 0x1p-10).epsilon(3e-7));

  std::vector<unsigned> at(16 * 8), bt(8 * 8);
  at[0] = simt::bits_of(1.0f) | 0x1fffu;  // just below the next tf32: the low 13 bits are ignored
  bt[0] = simt::bits_of(2.0f) | 0x1fffu;
  REQUIRE(multiply(8, at, bt, std::vector<float>(128, 0.0f))[0] == 2.0f);
  at[0] = simt::bits_of(1.0f) | 0x2000u;
  REQUIRE(multiply(8, at, bt, std::vector<float>(128, 0.0f))[0] == 2.0f + 0x1p-9f);
}

TEST_CASE("a NaN and an infinity spread over their row, and stay out of the others") {
  for (const unsigned depth : {16u, 8u}) {
    std::vector<unsigned> a(16 * depth, operand(depth, 1.0f)), b(depth * 8, operand(depth, 1.0f));
    a[3 * depth + 2] = operand(depth, std::numeric_limits<float>::quiet_NaN());
    a[5 * depth + 1] = operand(depth, -std::numeric_limits<float>::infinity());
    const std::vector<float> d = multiply(depth, a, b, std::vector<float>(128, 0.0f));
    for (unsigned i = 0; i < 128; ++i) {
      const unsigned row = i / 8;
      REQUIRE(std::isnan(d[i]) == (row == 3));
      if (row == 5) REQUIRE(d[i] == -std::numeric_limits<float>::infinity());
      if (row != 3 && row != 5) REQUIRE(d[i] == static_cast<float>(depth));
    }
  }
}

TEST_CASE("load_matrix gives each lane the two elements that the PTX ISA says") {
  std::vector<std::uint16_t> rows(32 * 8);
  for (unsigned i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::uint16_t>(1000 + i);
  DeviceArray<std::uint16_t> from(rows);
  for (const int matrices : {2, 4})
    for (const bool transposed : {false, true})
      test::for_each_order([&](std::string_view order) {
        INFO(order << ", x" << matrices << (transposed ? " transposed" : ""));
        DeviceArray<unsigned> to(static_cast<std::size_t>(32 * matrices));
        test::load_matrices(from.data(), to.data(), matrices, transposed, nullptr);
        const std::vector<unsigned> r = to.to_host();
        // PTX ISA, ldmatrix, .m8n8: lane l holds of row l / 4 the elements 2 * (l % 4) and the next; with .trans the
        // matrix is loaded in column-major format.
        for (unsigned lane = 0; lane < 32; ++lane)
          for (unsigned m = 0; m < static_cast<unsigned>(matrices); ++m)
            for (unsigned half = 0; half < 2; ++half) {
              const unsigned row = lane / 4, column = 2 * (lane % 4) + half;
              const unsigned expected =
                  transposed ? rows[(m * 8 + column) * 8 + row] : rows[(m * 8 + row) * 8 + column];
              REQUIRE((r[lane * static_cast<unsigned>(matrices) + m] >> (16 * half) & 0xffffu) == expected);
            }
      });
}
