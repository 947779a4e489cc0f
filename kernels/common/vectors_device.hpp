// Loads and stores of N neighbouring elements as floats, whatever type they are stored in, and the loop of kernels that
// treat every element alike.
#pragma once

#include <cstdint>

#include "kernels/simt/simt.hpp"

namespace bsg::kernels::device {

__device__ __forceinline__ float widen(float value) { return value; }
__device__ __forceinline__ float widen(simt::bfloat16 value) { return simt::to_float(value); }

template <class T>
__device__ __forceinline__ T narrow(float value) {
  if constexpr (sizeof(T) == sizeof(float)) {
    return value;
  } else {
    return simt::to_bfloat16(value);
  }
}

// N floats in registers.
template <int N>
struct Floats {
  float v[N];
};

// Elements of T in 16 bytes, the longest access there is.
template <class T>
inline constexpr int kVector = 16 / static_cast<int>(sizeof(T));

// N elements are read and written in pieces of at most 16 bytes, each aligned to its size.
template <int N, class T>
__device__ __forceinline__ Floats<N> load_floats(const T* from) {
  constexpr int kPiece = N < kVector<T> ? N : kVector<T>;
  Floats<N> result;
  for (int first = 0; first < N; first += kPiece) {
    const auto pack = simt::load<kPiece>(from + first);
    for (int i = 0; i < kPiece; ++i) result.v[first + i] = widen(pack.v[i]);
  }
  return result;
}

template <class T, int N>
__device__ __forceinline__ void store_floats(T* to, const Floats<N>& values) {
  constexpr int kPiece = N < kVector<T> ? N : kVector<T>;
  for (int first = 0; first < N; first += kPiece) {
    simt::Pack<T, kPiece> pack;
    for (int i = 0; i < kPiece; ++i) pack.v[i] = narrow<T>(values.v[first + i]);
    simt::store(to + first, pack);
  }
}

// Adds to what is there when `accumulate`.
template <class T, int N>
__device__ __forceinline__ void put_floats(T* to, Floats<N> values, bool accumulate) {
  if (accumulate) {
    const Floats<N> old = load_floats<N>(to);
    for (int i = 0; i < N; ++i) values.v[i] += old.v[i];
  }
  store_floats(to, values);
}

inline constexpr unsigned kElementThreads = 256;

// function.template at<N>(i) treats the elements i to i + N - 1; i is a multiple of N. The first `vectors` vectors of
// kWidth, then elements one by one up to count.
template <int kWidth, class Function>
__global__ void __launch_bounds__(kElementThreads)
    each_element(std::int64_t count, std::int64_t vectors, Function function) {
  const std::int64_t threads = static_cast<std::int64_t>(simt::grid_size().x) * kElementThreads;
  const std::int64_t first = static_cast<std::int64_t>(simt::block().x) * kElementThreads + simt::thread().x;
  for (std::int64_t i = first; i < vectors; i += threads) function.template at<kWidth>(i * kWidth);
  for (std::int64_t i = vectors * kWidth + first; i < count; i += threads) function.template at<1>(i);
}

// Blocks for `items` items, one a thread, as long as they are few; a grid that fills a large GPU several times loops.
inline unsigned element_blocks(std::int64_t items) {
  const std::int64_t blocks = (items + kElementThreads - 1) / kElementThreads;
  return static_cast<unsigned>(blocks < 4096 ? blocks : 4096);
}

// Whether an array may be read in vectors of 16 bytes; so may none.
inline bool aligned(const void* p) { return reinterpret_cast<std::uintptr_t>(p) % 16 == 0; }

// Runs function over `count` elements, in vectors of kWidth where all pointers are aligned.
template <int kWidth, class Function>
void launch_each_element(void* stream, std::int64_t count, bool all_aligned, const Function& function) {
  const std::int64_t vectors = all_aligned ? count / kWidth : 0;
  // A tail after vectors takes fewer than kWidth threads.
  simt::launch(each_element<kWidth, Function>, {element_blocks(vectors > 0 ? vectors : count), 1, 1},
               {kElementThreads, 1, 1}, stream, count, vectors, function);
}

}  // namespace bsg::kernels::device
