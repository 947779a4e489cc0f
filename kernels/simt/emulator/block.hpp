// One block of a grid: its threads as fibers that take turns on the calling OS thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "kernels/simt/emulator.hpp"
#include "kernels/simt/emulator/context.hpp"
#include "kernels/simt/emulator/device_memory.hpp"
#include "kernels/simt/emulator/operations.hpp"

namespace bsg::simt::emulator {

// What CUDA gives a block of compute capability 9.0 at most.
inline constexpr std::size_t kMostSharedBytes = 232448;

// A launch, as every block of it sees it.
struct Launched {
  Index3 grid, block;
  std::size_t shared_bytes = 0;
  void (*body)(void* arguments) = nullptr;
  void* arguments = nullptr;
  Where where;
  EmulatorOptions options;
  std::vector<Range> allocations;
};

// A copy_async that has not landed yet.
struct PendingCopy {
  void* to;
  const void* from;
  std::size_t bytes;
  bool valid;
  unsigned group;
};

enum class ThreadState : std::uint8_t { ready, at_barrier, in_warp_operation, returned };

// In the order of the cache lines that a barrier and a warp operation touch.
struct alignas(64) Thread {
  Context context;
  ThreadState state = ThreadState::returned;

  // The operation that it is in, or was in last; of a barrier `operation` is null.
  const char* waits_in = nullptr;
  const WarpOperation* operation = nullptr;
  void* posted = nullptr;
  Where where;
  unsigned lanes = 0;
  unsigned barriers = 0;  // passed in this block
  unsigned groups = 0;    // of copies, committed

  Place place;
  std::vector<PendingCopy> copies;
  // Keys of ThreadSanitizer: what comes to a sync_warp, and what leaves it.
  char arrived_key = 0, left_key = 0;
};

// Runs blocks one after another. Its fibers live from block to block, from launch to launch.
class BlockRunner {
 public:
  BlockRunner();
  ~BlockRunner();
  BlockRunner(const BlockRunner&) = delete;
  BlockRunner& operator=(const BlockRunner&) = delete;

  // Runs block number `index`; what went wrong as one line, empty when nothing did. After that the runner cannot be
  // used again: its other fibers stand in the middle of the kernel.
  std::string run(const Launched& launched, std::uint64_t index);

  // Of the block that runs on the calling OS thread; null on the host.
  static BlockRunner* current();

  // The operations of operations.hpp, for the current thread.
  Thread& self() { return *current_; }
  void meet(const WarpOperation& operation, unsigned lanes, void* posted, const Where& where);
  int meet_block(const char* name, bool predicate, const Where& where);
  void check_access(const char* name, const void* memory, std::size_t bytes, const Where& where);
  void check_shared_access(const char* name, const void* memory, std::size_t bytes, const Where& where);
  void copy_async(void* shared, const void* global, std::size_t bytes, bool valid, const Where& where);
  void wait_copies(unsigned pending);
  void* shared_storage(std::size_t bytes, const Where& where);
  [[noreturn]] void fail(const std::string& text) const;

  std::uint64_t switches() const { return switches_; }

 private:
  static void fiber_main();
  void start_block(std::uint64_t index);
  void start_fiber(unsigned number);
  void lay_out_shared();
  std::string check_shared();
  void make_ready(unsigned number);
  void make_lanes_ready(unsigned first, unsigned lanes);
  Thread& next_ready();
  void yield();
  std::string describe_stuck() const;
  std::string describe_block() const;
  bool in_shared(std::uintptr_t address, std::size_t bytes) const;

  const Launched* launched_ = nullptr;
  Index3 block_;
  unsigned threads_ = 0, live_ = 0, at_barrier_ = 0;
  int predicates_ = 0, counted_[2] = {0, 0};
  Thread* current_ = nullptr;
  Context host_;
  std::string error_;

  std::unique_ptr<Thread[]> thread_;
  unsigned fibers_ = 0;  // started so far
  std::byte* stacks_ = nullptr;

  std::vector<std::uint16_t> ready_;  // a ring of thread numbers, each at most once
  unsigned ready_first_ = 0, ready_count_ = 0;
  std::minstd_rand shuffle_;
  std::uint64_t switches_ = 0;

  unsigned char* shared_block_ = nullptr;  // with the guards
  unsigned char* shared_ = nullptr;
  std::size_t shared_bytes_ = 0;
  std::size_t last_allocation_ = 0;  // that an access fell into

  // Keys of ThreadSanitizer. A thread can reach the next barrier before another one has left this one: two keys.
  char start_key_ = 0, end_key_ = 0, barrier_key_[2] = {0, 0};
};

}  // namespace bsg::simt::emulator
