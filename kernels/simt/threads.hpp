// Which thread this is, barriers, and what the lanes of a warp tell each other. Device functions.
//
// Rules that both bodies share, and that the emulator checks:
//   - every thread of a block reaches every sync_block, from the same line; no thread returns from the kernel before
//     the last of them;
//   - all lanes that a warp operation names in `lanes` reach it from the same line with the same `lanes`, which
//     includes the calling lane;
//   - only sync_block and sync_warp order memory: what a thread wrote is seen by another one after they have met
//     there. Shuffles and votes exchange registers alone.
#pragma once

#include "kernels/simt/language.hpp"

namespace bsg::simt {

__device__ Index3 thread();      // of this block, x innermost
__device__ Index3 block();       // of this grid
__device__ Index3 block_size();  // threads
__device__ Index3 grid_size();   // blocks
// Of the thread's linear index x + size.x * (y + size.y * z): lane = index % 32, warp = index / 32.
__device__ unsigned lane();
__device__ unsigned warp();

__device__ void sync_block(Where where = Where());
// Barriers that also tell every thread for how many of the block's threads, or whether for any, `predicate` holds.
__device__ int sync_block_count(bool predicate, Where where = Where());
__device__ bool sync_block_any(bool predicate, Where where = Where());

__device__ void sync_warp(unsigned lanes = kAllLanes, Where where = Where());

// The value that another lane of `lanes` passed; T has 4 or 8 bytes. shuffle: of lane `source` < 32. shuffle_up and
// shuffle_down: of the lane `distance` below or above; lanes that have none get their own value. shuffle_xor: of lane
// lane() ^ bits, bits < 32.
template <class T>
__device__ __forceinline__ T shuffle(T value, unsigned source, unsigned lanes = kAllLanes, Where where = Where());
template <class T>
__device__ __forceinline__ T shuffle_up(T value, unsigned distance, unsigned lanes = kAllLanes, Where where = Where());
template <class T>
__device__ __forceinline__ T shuffle_down(T value, unsigned distance, unsigned lanes = kAllLanes,
                                          Where where = Where());
template <class T>
__device__ __forceinline__ T shuffle_xor(T value, unsigned bits, unsigned lanes = kAllLanes, Where where = Where());

// The lanes of `lanes` for which `predicate` holds; whether it holds for any, for all of them.
__device__ unsigned ballot(bool predicate, unsigned lanes = kAllLanes, Where where = Where());
__device__ bool any(bool predicate, unsigned lanes = kAllLanes, Where where = Where());
__device__ bool all(bool predicate, unsigned lanes = kAllLanes, Where where = Where());

// What this thread wrote to device memory before is seen by whoever sees what it writes after: between the results of
// a block and the ticket (atomic_add) by which the last block knows that all results are there.
__device__ void fence_device();

}  // namespace bsg::simt

#if defined(__CUDACC__)
#include "kernels/simt/nvcc_threads.hpp"
#else
#include "kernels/simt/emulator_threads.hpp"
#endif
