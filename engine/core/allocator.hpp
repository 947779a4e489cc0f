// Memory for tensors. Activations of a training step are megabytes each and live for one step: returned to the
// operating system and asked for again they cost a page fault every 4 KB, so blocks are kept by size class and handed
// out again, the most recently freed first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/core/device.hpp"

namespace bsg::kernels {
struct DeviceRuntime;
}

namespace bsg {

struct AllocatorOptions {
  // Fill every block that is handed out with 0xFF bytes (a NaN in every float type), so that a read before a write
  // shows.
  bool poison = false;
  // Surround every block with sentinels and check them when it is freed; std::abort with the block's size on damage.
  // Host memory only: the emulator of device memory has guards of its own.
  bool guard = false;
};

// The memory that an allocator takes blocks from: the host's where `runtime` is null.
struct MemorySource {
  Device device = Device::cpu;
  const kernels::DeviceRuntime* runtime = nullptr;
  // The queue of all work on this memory, so that a freed block may be handed out at once; goes with the last block.
  std::shared_ptr<void> stream;
};

struct AllocatorStatistics {
  std::size_t bytes_in_use = 0;    // handed out now, by size class
  std::size_t bytes_cached = 0;    // kept for reuse
  std::size_t peak_in_use = 0;     // largest bytes_in_use so far
  std::uint64_t allocations = 0;   // calls of allocate
  std::uint64_t system_calls = 0;  // of which went to the operating system
};

// Thread-safe. Blocks are aligned to 64 bytes and may be used up to the size class that contains them.
class Allocator {
 public:
  static constexpr std::size_t kAlignment = 64;

  explicit Allocator(AllocatorOptions options = {}, MemorySource source = {})
      : options_(options), source_(std::move(source)) {}
  ~Allocator();
  Allocator(const Allocator&) = delete;
  Allocator& operator=(const Allocator&) = delete;

  // Null for bytes == 0. Throws OutOfMemory.
  void* allocate(std::size_t bytes);
  void free(void* block, std::size_t bytes) noexcept;
  // Gives all cached blocks back to the operating system.
  void trim() noexcept;

  AllocatorStatistics statistics() const;
  const MemorySource& source() const { return source_; }

  // The block size that a request gets: at most an eighth larger, so few classes serve all requests.
  static std::size_t size_class(std::size_t bytes);

 private:
  bool guarded() const { return options_.guard && source_.runtime == nullptr; }
  void* take(std::size_t block_bytes) const;
  void give_back(void* base, std::size_t block_bytes) const noexcept;

  AllocatorOptions options_;
  MemorySource source_;
  mutable std::mutex mutex_;
  std::unordered_map<std::size_t, std::vector<void*>> cache_;
  AllocatorStatistics statistics_;
};

}  // namespace bsg
