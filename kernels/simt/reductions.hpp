// Sums and extrema over a warp or a block, on the primitives of threads.hpp. Their order is fixed and the result has
// the same bits on every thread.
#pragma once

#include "kernels/simt/number.hpp"
#include "kernels/simt/threads.hpp"

namespace bsg::simt {

// Over all 32 lanes, by a butterfly. A NaN makes a sum NaN and gives way to numbers in the extrema.
template <class T>
__device__ __forceinline__ T warp_sum(T value, Where where = Where()) {
  for (unsigned bits = kWarp / 2; bits > 0; bits /= 2) value += shuffle_xor(value, bits, kAllLanes, where);
  return value;
}

template <class T>
__device__ __forceinline__ T warp_max(T value, Where where = Where()) {
  for (unsigned bits = kWarp / 2; bits > 0; bits /= 2)
    value = maximum(value, shuffle_xor(value, bits, kAllLanes, where));
  return value;
}

template <class T>
__device__ __forceinline__ T warp_min(T value, Where where = Where()) {
  for (unsigned bits = kWarp / 2; bits > 0; bits /= 2)
    value = minimum(value, shuffle_xor(value, bits, kAllLanes, where));
  return value;
}

// What block_sum keeps in the shared storage of its caller.
template <class T, unsigned kThreads>
struct BlockSum {
  static_assert(kThreads % kWarp == 0 && kThreads > 0 && kThreads <= 1024, "a block of whole warps");
  T partial[kThreads / kWarp];
};

// Over a block of kThreads threads, all of which call it: warps by warp_sum, their sums added in the order of warps.
// Two barriers: what was written to memory before is seen by all after it, and `storage` can be used again at once.
template <unsigned kThreads, class T>
__device__ __forceinline__ T block_sum(BlockSum<T, kThreads>& storage, T value, Where where = Where()) {
  value = warp_sum(value, where);
  if (lane() == 0) storage.partial[warp()] = value;
  sync_block(where);
  T sum = storage.partial[0];
  for (unsigned i = 1; i < kThreads / kWarp; ++i) sum += storage.partial[i];
  sync_block(where);
  return sum;
}

}  // namespace bsg::simt
