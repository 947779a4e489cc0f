#include "kernels/simt/emulator/matrix.hpp"

#include <cstdint>
#include <cstring>

#include "kernels/simt/emulator/operations.hpp"
#include "kernels/simt/number.hpp"

namespace bsg::simt::emulator {

namespace {

constexpr unsigned kRows = 16, kColumns = 8;

struct Multiply {
  const unsigned *a, *b;
  const float* c;
  float* d;
};

float low_half(unsigned bits) { return float_of(bits << 16); }
float high_half(unsigned bits) { return float_of(bits & 0xffff0000u); }
float tf32_value(unsigned bits) { return float_of(bits & ~0x1fffu); }

// d = c + a * b for all lanes; a[row][k] and b[k][column].
template <unsigned kDepth>
void multiply_add(void* const* posted, const float (&a)[kRows][kDepth], const float (&b)[kDepth][kColumns]) {
  float sum[kRows][kColumns];
  for (unsigned lane = 0; lane < kWarp; ++lane) {
    const float* c = static_cast<const Multiply*>(posted[lane])->c;
    for (unsigned i = 0; i < 4; ++i) sum[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2] = c[i];
  }
  for (unsigned row = 0; row < kRows; ++row)
    for (unsigned k = 0; k < kDepth; ++k)
      for (unsigned column = 0; column < kColumns; ++column) sum[row][column] += a[row][k] * b[k][column];
  for (unsigned lane = 0; lane < kWarp; ++lane) {
    float* d = static_cast<const Multiply*>(posted[lane])->d;
    for (unsigned i = 0; i < 4; ++i) d[i] = sum[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
  }
}

void exchange_bf16(void* const* posted, unsigned /*lanes*/) {
  float a[kRows][16], b[16][kColumns];
  for (unsigned lane = 0; lane < kWarp; ++lane) {
    const auto& mine = *static_cast<const Multiply*>(posted[lane]);
    const unsigned group = lane / 4, pair = lane % 4 * 2;
    for (unsigned i = 0; i < 4; ++i) {
      const unsigned row = group + i % 2 * 8, column = pair + i / 2 * 8;
      a[row][column] = low_half(mine.a[i]);
      a[row][column + 1] = high_half(mine.a[i]);
    }
    for (unsigned i = 0; i < 2; ++i) {
      b[pair + i * 8][group] = low_half(mine.b[i]);
      b[pair + i * 8 + 1][group] = high_half(mine.b[i]);
    }
  }
  multiply_add<16>(posted, a, b);
}

void exchange_tf32(void* const* posted, unsigned /*lanes*/) {
  float a[kRows][8], b[8][kColumns];
  for (unsigned lane = 0; lane < kWarp; ++lane) {
    const auto& mine = *static_cast<const Multiply*>(posted[lane]);
    const unsigned group = lane / 4, in_group = lane % 4;
    for (unsigned i = 0; i < 4; ++i) a[group + i % 2 * 8][in_group + i / 2 * 4] = tf32_value(mine.a[i]);
    for (unsigned i = 0; i < 2; ++i) b[in_group + i * 4][group] = tf32_value(mine.b[i]);
  }
  multiply_add<8>(posted, a, b);
}

struct LoadMatrices {
  std::uint16_t row[8];
  unsigned* r;
};

template <unsigned kCount, bool kTransposed>
void exchange_rows(void* const* posted, unsigned /*lanes*/) {
  const auto element = [&](unsigned matrix, unsigned row, unsigned column) -> unsigned {
    return static_cast<const LoadMatrices*>(posted[matrix * 8 + row])->row[column];
  };
  for (unsigned lane = 0; lane < kWarp; ++lane) {
    unsigned* r = static_cast<const LoadMatrices*>(posted[lane])->r;
    const unsigned group = lane / 4, pair = lane % 4 * 2;
    for (unsigned matrix = 0; matrix < kCount; ++matrix) {
      const unsigned low = kTransposed ? element(matrix, pair, group) : element(matrix, group, pair);
      const unsigned high = kTransposed ? element(matrix, pair + 1, group) : element(matrix, group, pair + 1);
      r[matrix] = low | high << 16;
    }
  }
}

constexpr WarpOperation kMultiplyBf16{"mma_m16n8k16_bf16", exchange_bf16, false};
constexpr WarpOperation kMultiplyTf32{"mma_m16n8k8_tf32", exchange_tf32, false};
constexpr WarpOperation kLoadX4{"load_matrix_x4", exchange_rows<4, false>, false};
constexpr WarpOperation kLoadX2{"load_matrix_x2", exchange_rows<2, false>, false};
constexpr WarpOperation kLoadX4Transposed{"load_matrix_x4_transposed", exchange_rows<4, true>, false};
constexpr WarpOperation kLoadX2Transposed{"load_matrix_x2_transposed", exchange_rows<2, true>, false};

}  // namespace

void multiply_bf16(float* d, const unsigned* a, const unsigned* b, const float* c, Where where) {
  Multiply operands{a, b, c, d};
  meet(kMultiplyBf16, kAllLanes, &operands, where);
}

void multiply_tf32(float* d, const unsigned* a, const unsigned* b, const float* c, Where where) {
  Multiply operands{a, b, c, d};
  meet(kMultiplyTf32, kAllLanes, &operands, where);
}

void load_matrices(unsigned* r, unsigned count, bool transposed, const void* row, Where where) {
  const WarpOperation& operation =
      count == 4 ? (transposed ? kLoadX4Transposed : kLoadX4) : (transposed ? kLoadX2Transposed : kLoadX2);
  LoadMatrices operands{{}, r};
  if (place().linear % kWarp < count * 8) {
    check_shared_access(operation.name, row, sizeof operands.row, where);
    std::memcpy(operands.row, row, sizeof operands.row);
  }
  meet(operation, kAllLanes, &operands, where);
}

}  // namespace bsg::simt::emulator
