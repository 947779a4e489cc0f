// Numbers of 16 bits as memory holds them, tf32, and the few functions of one number whose spelling differs between
// compilers. Everything else of <cmath> is called by its usual name. Usable on the host too.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/simt/language.hpp"
#if !defined(__CUDA_ARCH__)
#include <bit>
#endif

namespace bsg::simt {

struct bfloat16 {
  std::uint16_t bits;  // the upper half of a float
};
struct float16 {
  std::uint16_t bits;  // IEEE 754 binary16
};

__host__ __device__ __forceinline__ unsigned bits_of(float value) {
  unsigned bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

__host__ __device__ __forceinline__ float float_of(unsigned bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

__host__ __device__ __forceinline__ float to_float(bfloat16 value) {
  return float_of(static_cast<unsigned>(value.bits) << 16);
}

// To the nearest, ties to even; overflow gives an infinity; every NaN becomes 0x7fff, as on the device.
__host__ __device__ __forceinline__ bfloat16 to_bfloat16(float value) {
#if defined(__CUDA_ARCH__)
  std::uint16_t result;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(result) : "f"(value));
  return {result};
#else
  const unsigned bits = bits_of(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {0x7fff};
  return {static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16)};
#endif
}

__host__ __device__ __forceinline__ float to_float(float16 value) {
#if defined(__CUDA_ARCH__)
  float result;
  asm("cvt.f32.f16 %0, %1;" : "=f"(result) : "h"(value.bits));
  return result;
#else
  const unsigned sign = (value.bits & 0x8000u) << 16, exponent = (value.bits >> 10) & 31u,
                 fraction = value.bits & 0x3ffu;
  if (exponent == 31) return float_of(sign | 0x7f800000u | (fraction << 13));
  if (exponent != 0) return float_of(sign | ((exponent + 112u) << 23) | (fraction << 13));
  const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
  return sign != 0 ? -magnitude : magnitude;
#endif
}

// As to_bfloat16: nearest even, overflow to infinity, NaN becomes 0x7fff; what is below 2^-14 becomes subnormal.
__host__ __device__ __forceinline__ float16 to_float16(float value) {
#if defined(__CUDA_ARCH__)
  std::uint16_t result;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(result) : "f"(value));
  return {result};
#else
  const unsigned bits = bits_of(value), sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return {0x7fff};
  if (magnitude >= 0x477ff000u) return {static_cast<std::uint16_t>(sign | 0x7c00u)};  // 65520 and more
  if (magnitude < 0x38800000u) {
    // In units of 2^-24, the spacing of subnormals; adding 2^23 rounds to an integer, ties to even.
    const float scaled = float_of(magnitude) * 0x1p24f + 0x1p23f;
    return {static_cast<std::uint16_t>(sign | (bits_of(scaled) & 0x7fffffu))};
  }
  const unsigned rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  return {static_cast<std::uint16_t>(sign | ((rounded >> 13) - (112u << 10)))};
#endif
}

// Two numbers in one register, the one of the lower address in the lower half: what load_matrix and mma take.
__host__ __device__ __forceinline__ unsigned pack(bfloat16 low, bfloat16 high) {
  return static_cast<unsigned>(low.bits) | (static_cast<unsigned>(high.bits) << 16);
}

__host__ __device__ __forceinline__ unsigned pack(float16 low, float16 high) {
  return static_cast<unsigned>(low.bits) | (static_cast<unsigned>(high.bits) << 16);
}

// pack(to_bfloat16(low), to_bfloat16(high)), one instruction on the device.
__host__ __device__ __forceinline__ unsigned pack_bfloat16(float low, float high) {
#if defined(__CUDA_ARCH__)
  unsigned result;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(result) : "f"(high), "f"(low));
  return result;
#else
  return pack(to_bfloat16(low), to_bfloat16(high));
#endif
}

// A float rounded to tf32, 10 bits of fraction, to the nearest, ties away from zero (cvt.rna.tf32.f32): its bits, of
// which the lower 13 are zero. Every NaN becomes 0x7fffffff.
__host__ __device__ __forceinline__ unsigned to_tf32(float value) {
#if defined(__CUDA_ARCH__)
  unsigned result;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(result) : "f"(value));
  return result;
#else
  const unsigned bits = bits_of(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fffffffu;
  if ((bits & 0x7fffffffu) == 0x7f800000u) return bits;
  return (bits + 0x1000u) & ~0x1fffu;
#endif
}

// How many bits are set; how many zeros stand above the highest set bit (32 for 0); the number of the lowest set bit
// (-1 for 0).
__host__ __device__ __forceinline__ int popcount(unsigned bits) {
#if defined(__CUDA_ARCH__)
  return __popc(bits);
#else
  return std::popcount(bits);
#endif
}

__host__ __device__ __forceinline__ int leading_zeros(unsigned bits) {
#if defined(__CUDA_ARCH__)
  return __clz(static_cast<int>(bits));
#else
  return std::countl_zero(bits);
#endif
}

__host__ __device__ __forceinline__ int find_first(unsigned bits) {
#if defined(__CUDA_ARCH__)
  return __ffs(static_cast<int>(bits)) - 1;
#else
  return bits == 0 ? -1 : std::countr_zero(bits);
#endif
}

// The larger and the smaller number: a NaN gives way to a number, and -0 is smaller than +0, so that the result does
// not depend on the order of the operands.
__host__ __device__ __forceinline__ float maximum(float a, float b) {
#if defined(__CUDA_ARCH__)
  return fmaxf(a, b);
#else
  if (a == b) return float_of(bits_of(a) & bits_of(b));
  return a > b || b != b ? a : b;
#endif
}

__host__ __device__ __forceinline__ float minimum(float a, float b) {
#if defined(__CUDA_ARCH__)
  return fminf(a, b);
#else
  if (a == b) return float_of(bits_of(a) | bits_of(b));
  return a < b || b != b ? a : b;
#endif
}

template <class T>
__host__ __device__ __forceinline__ T maximum(T a, T b) {
  return a < b ? b : a;
}

template <class T>
__host__ __device__ __forceinline__ T minimum(T a, T b) {
  return b < a ? b : a;
}

// rsqrt: within two units in the last place on the device.
__host__ __device__ __forceinline__ float rsqrt(float value) {
#if defined(__CUDA_ARCH__)
  return rsqrtf(value);
#else
  return 1.0f / std::sqrt(value);
#endif
}
__host__ __device__ __forceinline__ float exp2(float value) { return std::exp2(value); }
__host__ __device__ __forceinline__ float log2(float value) { return std::log2(value); }

}  // namespace bsg::simt
