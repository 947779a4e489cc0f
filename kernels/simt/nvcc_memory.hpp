// memory.hpp for nvcc.
#pragma once

#include "kernels/simt/memory.hpp"

namespace bsg::simt {

template <int N, class T>
__device__ Pack<T, N> load(const T* from, Where) {
  return *reinterpret_cast<const Pack<T, N>*>(from);
}

template <int N, class T>
__device__ Pack<T, N> load_read_only(const T* from, Where) {
  Pack<T, N> pack;
  if constexpr (sizeof pack == 16) {
    *reinterpret_cast<uint4*>(&pack) = __ldg(reinterpret_cast<const uint4*>(from));
  } else if constexpr (sizeof pack == 8) {
    *reinterpret_cast<uint2*>(&pack) = __ldg(reinterpret_cast<const uint2*>(from));
  } else if constexpr (sizeof pack == 4) {
    *reinterpret_cast<unsigned*>(&pack) = __ldg(reinterpret_cast<const unsigned*>(from));
  } else if constexpr (sizeof pack == 2) {
    *reinterpret_cast<unsigned short*>(&pack) = __ldg(reinterpret_cast<const unsigned short*>(from));
  } else {
    *reinterpret_cast<unsigned char*>(&pack) = __ldg(reinterpret_cast<const unsigned char*>(from));
  }
  return pack;
}

template <class T, int N>
__device__ void store(T* to, const Pack<T, N>& pack, Where) {
  *reinterpret_cast<Pack<T, N>*>(to) = pack;
}

namespace nvcc {
__device__ __forceinline__ unsigned shared_address(const void* pointer) {
  return static_cast<unsigned>(__cvta_generic_to_shared(pointer));
}
}  // namespace nvcc

template <int kBytes>
__device__ void copy_async_or_zero(void* shared, const void* global, bool valid, Where) {
  static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16, "cp.async moves 4, 8 or 16 bytes");
  const int source_bytes = valid ? kBytes : 0;
  if constexpr (kBytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                 :
                 : "r"(nvcc::shared_address(shared)), "l"(__cvta_generic_to_global(global)), "r"(source_bytes)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;"
                 :
                 : "r"(nvcc::shared_address(shared)), "l"(__cvta_generic_to_global(global)), "n"(kBytes),
                   "r"(source_bytes)
                 : "memory");
  }
}

template <int kBytes>
__device__ void copy_async(void* shared, const void* global, Where) {
  static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16, "cp.async moves 4, 8 or 16 bytes");
  if constexpr (kBytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;"
                 :
                 : "r"(nvcc::shared_address(shared)), "l"(__cvta_generic_to_global(global))
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2;"
                 :
                 : "r"(nvcc::shared_address(shared)), "l"(__cvta_generic_to_global(global)), "n"(kBytes)
                 : "memory");
  }
}

__device__ __forceinline__ void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

template <int kPending>
__device__ void wait_copies() {
  asm volatile("cp.async.wait_group %0;" : : "n"(kPending) : "memory");
}

template <class T>
__device__ T atomic_add(T* to, std::type_identity_t<T> value, Where) {
  return atomicAdd(to, value);
}
template <class T>
__device__ T atomic_max(T* to, std::type_identity_t<T> value, Where) {
  return atomicMax(to, value);
}
template <class T>
__device__ T atomic_cas(T* to, std::type_identity_t<T> expected, std::type_identity_t<T> desired, Where) {
  return atomicCAS(to, expected, desired);
}

namespace nvcc {
extern __shared__ __align__(128) unsigned char shared_bytes[];
}  // namespace nvcc

template <class Storage>
__device__ Storage& shared(Where) {
  static_assert(alignof(Storage) <= 128 && std::is_trivially_copyable_v<Storage>);
  return *reinterpret_cast<Storage*>(nvcc::shared_bytes);
}

template <class Storage>
__device__ unsigned char* shared_tail(Where) {
  return nvcc::shared_bytes + kTailOffset<Storage>;
}

}  // namespace bsg::simt
