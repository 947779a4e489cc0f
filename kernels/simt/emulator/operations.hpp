// What the emulator's bodies of the dialect call. Each needs a running kernel: called on the host, it throws
// EmulationError.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/simt/language.hpp"

namespace bsg::simt::emulator {

// Where a thread is.
struct Place {
  Index3 thread, block, block_size, grid_size;
  unsigned linear = 0;  // of the thread in its block
};
const Place& place();

// A warp operation. Every lane of the set posts its operands; when the last has come, `exchange` runs once for all of
// them, with posted[lane] for the lanes of the set, and then all go on.
struct WarpOperation {
  const char* name;
  void (*exchange)(void* const* posted, unsigned lanes);
  bool orders_memory;
};
void meet(const WarpOperation& operation, unsigned lanes, void* posted, Where where);

// A barrier; the number of threads that passed true.
int meet_block(const char* name, bool predicate, Where where);

std::uint64_t shuffle_bits(std::uint64_t bits, unsigned source, unsigned lanes, Where where);
unsigned vote(bool predicate, unsigned lanes, Where where);

// Throws unless `memory` is a multiple of `bytes` and lies with all of them in an allocation, in the block's shared
// storage or on the thread's stack.
void check_access(const char* name, const void* memory, std::size_t bytes, Where where);
// The same, for the block's shared storage alone.
void check_shared_access(const char* name, const void* memory, std::size_t bytes, Where where);

void copy_async(void* shared, const void* global, std::size_t bytes, bool valid, Where where);
void commit_copies();
void wait_copies(unsigned pending);

void* shared_storage(std::size_t bytes, Where where);

// Ends the calling thread, and the launch, with an EmulationError that says `text` of the operation.
[[noreturn]] void fail(const char* name, const char* text, Where where);

}  // namespace bsg::simt::emulator
