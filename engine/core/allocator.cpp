#include "engine/core/allocator.hpp"

#include <bit>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <sys/mman.h>

#include "engine/core/error.hpp"
#include "kernels/backend/backend.hpp"

namespace bsg {
namespace {

constexpr unsigned char kSentinel = 0xA5;
constexpr std::size_t kGuardBytes = Allocator::kAlignment;

// Activations are read in strides of a plane, a page each: with small pages a batch's worth exceeds the processor's
// table of translations, and every miss walks two page tables on a virtual machine. So large blocks ask for large
// pages.
constexpr std::size_t kLargePage = std::size_t{2} << 20;

std::align_val_t alignment_of(std::size_t bytes) {
  return std::align_val_t{bytes >= kLargePage ? kLargePage : Allocator::kAlignment};
}

void* system_allocate(std::size_t bytes) {
  void* const base = ::operator new(bytes, alignment_of(bytes), std::nothrow);
#ifdef MADV_HUGEPAGE
  // A wish: where the system refuses it, small pages do.
  if (base != nullptr && bytes >= kLargePage) madvise(base, bytes, MADV_HUGEPAGE);
#endif
  return base;
}

void system_free(void* base, std::size_t bytes) noexcept { ::operator delete(base, alignment_of(bytes)); }

}  // namespace

std::size_t Allocator::size_class(std::size_t bytes) {
  if (bytes <= kAlignment) return kAlignment;
  const std::size_t step = std::max(kAlignment, std::bit_floor(bytes) / 8);
  return (bytes + step - 1) / step * step;
}

Allocator::~Allocator() { trim(); }

void* Allocator::take(std::size_t block_bytes) const {
  if (source_.runtime != nullptr) return source_.runtime->allocate(block_bytes, source_.stream.get());
  return system_allocate(block_bytes + (guarded() ? 2 * kGuardBytes : 0));
}

void Allocator::give_back(void* base, std::size_t block_bytes) const noexcept {
  if (source_.runtime != nullptr) {
    source_.runtime->release(base, source_.stream.get());
  } else {
    system_free(base, block_bytes + (guarded() ? 2 * kGuardBytes : 0));
  }
}

void* Allocator::allocate(std::size_t bytes) {
  if (bytes == 0) return nullptr;
  if (bytes > (std::size_t{1} << 60)) throw_error<OutOfMemory>("out of memory: {} bytes were asked for", bytes);
  const std::size_t block_bytes = size_class(bytes);
  unsigned char* base = nullptr;
  {
    const std::lock_guard lock(mutex_);
    ++statistics_.allocations;
    auto& blocks = cache_[block_bytes];
    if (!blocks.empty()) {
      base = static_cast<unsigned char*>(blocks.back());
      blocks.pop_back();
      statistics_.bytes_cached -= block_bytes;
    }
  }
  if (base == nullptr) {
    base = static_cast<unsigned char*>(take(block_bytes));
    if (base == nullptr) {
      trim();
      base = static_cast<unsigned char*>(take(block_bytes));
    }
    if (base == nullptr) {
      const AllocatorStatistics now = statistics();
      throw_error<OutOfMemory>("out of memory: {} bytes were asked for while {} are in use", bytes, now.bytes_in_use);
    }
    const std::lock_guard lock(mutex_);
    ++statistics_.system_calls;
  }
  {
    const std::lock_guard lock(mutex_);
    statistics_.bytes_in_use += block_bytes;
    statistics_.peak_in_use = std::max(statistics_.peak_in_use, statistics_.bytes_in_use);
  }
  unsigned char* block = base;
  if (guarded()) {
    block = base + kGuardBytes;
    std::memset(base, kSentinel, kGuardBytes);
    // The sentinel starts right after the requested bytes, so that one element too far is already seen.
    std::memset(block + bytes, kSentinel, block_bytes - bytes + kGuardBytes);
  }
  if (options_.poison && source_.runtime != nullptr) {
    source_.runtime->clear(block, 0xFF, bytes, source_.stream.get());
  } else if (options_.poison) {
    std::memset(block, 0xFF, bytes);
  }
  return block;
}

void Allocator::free(void* block, std::size_t bytes) noexcept {
  if (block == nullptr) return;
  const std::size_t block_bytes = size_class(bytes);
  auto* base = static_cast<unsigned char*>(block);
  if (guarded()) {
    base -= kGuardBytes;
    const auto intact = [](const unsigned char* p, std::size_t n) {
      for (std::size_t i = 0; i < n; ++i)
        if (p[i] != kSentinel) return false;
      return true;
    };
    const bool before = intact(base, kGuardBytes);
    const bool after = intact(base + kGuardBytes + bytes, block_bytes - bytes + kGuardBytes);
    if (!before || !after) {
      std::fprintf(stderr, "allocator: memory was written %s a block of %zu bytes\n", before ? "behind" : "before",
                   bytes);
      std::abort();
    }
  }
  const std::lock_guard lock(mutex_);
  statistics_.bytes_in_use -= block_bytes;
  try {
    cache_[block_bytes].push_back(base);
    statistics_.bytes_cached += block_bytes;
  } catch (const std::bad_alloc&) {
    give_back(base, block_bytes);
  }
}

void Allocator::trim() noexcept {
  const std::lock_guard lock(mutex_);
  for (auto& [block_bytes, blocks] : cache_)
    for (void* base : blocks) give_back(base, block_bytes);
  cache_.clear();
  statistics_.bytes_cached = 0;
}

AllocatorStatistics Allocator::statistics() const {
  const std::lock_guard lock(mutex_);
  return statistics_;
}

}  // namespace bsg
