#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace bsg::simt {
struct bfloat16;  // kernels/simt/number.hpp
}

namespace bsg {

using simt::bfloat16;

// Training and inference compute in f32. f64 exists on the CPU for gradient checks: the same kernels, one type wider.
// bf16 holds activations on devices. i64, i32 and u8 hold labels, lists and images.
enum class DType { f32, f64, bf16, i64, i32, u8 };

constexpr std::size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return 4;
    case DType::f64:
      return 8;
    case DType::bf16:
      return 2;
    case DType::i64:
      return 8;
    case DType::i32:
      return 4;
    case DType::u8:
      return 1;
  }
  return 0;
}

constexpr std::string_view to_string(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "f32";
    case DType::f64:
      return "f64";
    case DType::bf16:
      return "bf16";
    case DType::i64:
      return "i64";
    case DType::i32:
      return "i32";
    case DType::u8:
      return "u8";
  }
  return "unknown";
}

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::f64;
};
template <>
struct DTypeOf<bfloat16> {
  static constexpr DType value = DType::bf16;
};
template <>
struct DTypeOf<std::int64_t> {
  static constexpr DType value = DType::i64;
};
template <>
struct DTypeOf<std::int32_t> {
  static constexpr DType value = DType::i32;
};
template <>
struct DTypeOf<std::uint8_t> {
  static constexpr DType value = DType::u8;
};

// What stands beside activations of type T: parameters and their gradients, statistics, gates, pooled values. f32
// beside bf16: sums of many small steps need its digits.
template <class T>
using ParameterOf = std::conditional_t<std::is_same_v<T, bfloat16>, float, T>;

constexpr DType parameter_type(DType activations) { return activations == DType::bf16 ? DType::f32 : activations; }

}  // namespace bsg
