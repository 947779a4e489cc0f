// Vectors of elements, asynchronous copies, atomics and a kernel's shared storage. Device functions.
//
// The emulator checks every access made through these functions for alignment and against the allocation, or the
// shared storage, that it falls into. Plain `p[i]` it cannot see: guard bytes around allocations find what was
// written there, AddressSanitizer finds both.
#pragma once

#include <cstddef>
#include <type_traits>

#include "kernels/simt/language.hpp"

namespace bsg::simt {

// N elements that move as one access: 2, 4, 8 or 16 bytes, at an address that is a multiple of that.
template <class T, int N>
struct alignas(sizeof(T) * N) Pack {
  static_assert(sizeof(T) * N <= 16 && (sizeof(T) * N & (sizeof(T) * N - 1)) == 0, "2, 4, 8 or 16 bytes");
  static_assert(std::is_trivially_copyable_v<T>);
  T v[N];
};

template <int N, class T>
__device__ __forceinline__ Pack<T, N> load(const T* from, Where where = Where());
// For memory that no thread writes while the kernel runs.
template <int N, class T>
__device__ __forceinline__ Pack<T, N> load_read_only(const T* from, Where where = Where());
template <class T, int N>
__device__ __forceinline__ void store(T* to, const Pack<T, N>& pack, Where where = Where());

// Copies kBytes (4, 8 or 16; both addresses multiples of that) from device memory to shared storage, some time between
// this call and the wait for its group. commit_copies ends a group of the calling thread's copies, which may be empty.
// wait_copies returns when all but the last kPending groups have landed: the waiting thread sees its own copies, the
// others' after the next barrier. The same barrier must lie between the last read of a buffer and the copy into it.
template <int kBytes>
__device__ __forceinline__ void copy_async(void* shared, const void* global, Where where = Where());
// Writes zeros and reads nothing where `valid` is false; `global` need not point anywhere then.
template <int kBytes>
__device__ __forceinline__ void copy_async_or_zero(void* shared, const void* global, bool valid, Where where = Where());
__device__ void commit_copies();
template <int kPending>
__device__ __forceinline__ void wait_copies();

// On shared storage or device memory; each returns the value before. T of atomic_add: float, int, unsigned or unsigned
// long long; of atomic_max: int or unsigned; of atomic_cas: int, unsigned or unsigned long long. They order nothing
// else in memory (fence_device). Adding floats in an arbitrary order gives arbitrary bits: only where that is wanted.
template <class T>
__device__ __forceinline__ T atomic_add(T* to, std::type_identity_t<T> value, Where where = Where());
template <class T>
__device__ __forceinline__ T atomic_max(T* to, std::type_identity_t<T> value, Where where = Where());
template <class T>
__device__ __forceinline__ T atomic_cas(T* to, std::type_identity_t<T> expected, std::type_identity_t<T> desired,
                                        Where where = Where());

// The block's shared storage: the struct that launch<Storage> was given. Nothing constructs it; it holds garbage until
// it is written (all bits set in the emulator, so that floats are NaN).
template <class Storage>
__device__ __forceinline__ Storage& shared(Where where = Where());

// Of kernels without shared storage.
struct NoStorage {};

// The bytes of shared storage that a launch with Storage asks for.
template <class Storage>
inline constexpr std::size_t kSharedBytes = std::is_same_v<Storage, NoStorage> ? 0 : sizeof(Storage);

// What lies behind Storage, of a kernel that launch_with_tail started: at a multiple of 128 bytes.
inline constexpr std::size_t kTailAlignment = 128;
template <class Storage>
inline constexpr std::size_t kTailOffset =
    (kSharedBytes<Storage> + kTailAlignment - 1) / kTailAlignment* kTailAlignment;
template <class Storage>
__device__ unsigned char* shared_tail(Where where = Where());

}  // namespace bsg::simt

#if defined(__CUDACC__)
#include "kernels/simt/nvcc_memory.hpp"
#else
#include "kernels/simt/emulator_memory.hpp"
#endif
