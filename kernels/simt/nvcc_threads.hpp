// threads.hpp for nvcc.
#pragma once

#include "kernels/simt/threads.hpp"

namespace bsg::simt {

__device__ __forceinline__ Index3 thread() { return {threadIdx.x, threadIdx.y, threadIdx.z}; }
__device__ __forceinline__ Index3 block() { return {blockIdx.x, blockIdx.y, blockIdx.z}; }
__device__ __forceinline__ Index3 block_size() { return {blockDim.x, blockDim.y, blockDim.z}; }
__device__ __forceinline__ Index3 grid_size() { return {gridDim.x, gridDim.y, gridDim.z}; }

namespace nvcc {
__device__ __forceinline__ unsigned linear_thread() {
  return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
}
}  // namespace nvcc

__device__ __forceinline__ unsigned lane() { return nvcc::linear_thread() % kWarp; }
__device__ __forceinline__ unsigned warp() { return nvcc::linear_thread() / kWarp; }

__device__ __forceinline__ void sync_block(Where) { __syncthreads(); }
__device__ __forceinline__ int sync_block_count(bool predicate, Where) { return __syncthreads_count(predicate); }
__device__ __forceinline__ bool sync_block_any(bool predicate, Where) { return __syncthreads_or(predicate) != 0; }
__device__ __forceinline__ void sync_warp(unsigned lanes, Where) { __syncwarp(lanes); }

template <class T>
__device__ T shuffle(T value, unsigned source, unsigned lanes, Where) {
  return __shfl_sync(lanes, value, static_cast<int>(source));
}
template <class T>
__device__ T shuffle_up(T value, unsigned distance, unsigned lanes, Where) {
  return __shfl_up_sync(lanes, value, distance);
}
template <class T>
__device__ T shuffle_down(T value, unsigned distance, unsigned lanes, Where) {
  return __shfl_down_sync(lanes, value, distance);
}
template <class T>
__device__ T shuffle_xor(T value, unsigned bits, unsigned lanes, Where) {
  return __shfl_xor_sync(lanes, value, static_cast<int>(bits));
}

__device__ __forceinline__ unsigned ballot(bool predicate, unsigned lanes, Where) {
  return __ballot_sync(lanes, predicate);
}
__device__ __forceinline__ bool any(bool predicate, unsigned lanes, Where) { return __any_sync(lanes, predicate) != 0; }
__device__ __forceinline__ bool all(bool predicate, unsigned lanes, Where) { return __all_sync(lanes, predicate) != 0; }

__device__ __forceinline__ void fence_device() { __threadfence(); }

}  // namespace bsg::simt
