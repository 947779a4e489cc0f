#include "kernels/simt/emulator/device_memory.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <new>

#include <fmt/format.h>

#include "kernels/simt/emulator/sanitizers.hpp"

namespace bsg::simt::emulator {

namespace {

constexpr std::align_val_t kAlignment{256};
static_assert(kGuardBytes % 256 == 0, "what follows a guard is aligned too");

unsigned char* pointer(std::uintptr_t address) { return reinterpret_cast<unsigned char*>(address); }

}  // namespace

void raise_guard(unsigned char* guard) {
  std::memset(guard, kGuardByte, kGuardBytes);
  forbid_access(guard, kGuardBytes);
}

std::size_t check_guard(unsigned char* guard) {
  if (kAddressSanitizer) return kGuardBytes;
  const unsigned char* damaged =
      std::find_if(guard, guard + kGuardBytes, [](unsigned char byte) { return byte != kGuardByte; });
  const auto offset = static_cast<std::size_t>(damaged - guard);
  if (offset != kGuardBytes) std::memset(guard, kGuardByte, kGuardBytes);
  return offset;
}

DeviceMemory& DeviceMemory::instance() {
  static DeviceMemory memory;
  return memory;
}

void* DeviceMemory::allocate(std::size_t bytes) {
  auto* block = static_cast<unsigned char*>(::operator new(bytes + 2 * kGuardBytes, kAlignment));
  unsigned char* memory = block + kGuardBytes;
  raise_guard(block);
  std::memset(memory, kPoisonByte, bytes);
  raise_guard(memory + bytes);
  const auto begin = reinterpret_cast<std::uintptr_t>(memory);
  const std::lock_guard lock(mutex_);
  ends_.emplace(begin, begin + bytes);
  return memory;
}

std::string DeviceMemory::release(void* memory) {
  Range range{reinterpret_cast<std::uintptr_t>(memory), 0};
  {
    const std::lock_guard lock(mutex_);
    const auto found = ends_.find(range.begin);
    if (found == ends_.end()) return fmt::format("release({}): not the begin of an allocation", memory);
    range.end = found->second;
    ends_.erase(found);
  }
  std::string damage = check_and_restore(range);
  unsigned char* block = pointer(range.begin) - kGuardBytes;
  allow_access(block, range.end - range.begin + 2 * kGuardBytes);
  ::operator delete(block, kAlignment);
  return damage;
}

std::string DeviceMemory::check_and_restore(const Range& range) {
  const std::size_t before = check_guard(pointer(range.begin) - kGuardBytes), after = check_guard(pointer(range.end));
  const std::size_t bytes = range.end - range.begin;
  if (after != kGuardBytes)
    return fmt::format("byte {} of an allocation of {} bytes was written", bytes + after, bytes);
  if (before != kGuardBytes)
    return fmt::format("byte -{} of an allocation of {} bytes was written", kGuardBytes - before, bytes);
  return {};
}

std::string DeviceMemory::damaged_guards() {
  const std::lock_guard lock(mutex_);
  std::string first;
  for (const auto& [begin, end] : ends_) {
    std::string damage = check_and_restore({begin, end});
    if (first.empty()) first = std::move(damage);
  }
  return first;
}

std::vector<Range> DeviceMemory::allocations() const {
  const std::lock_guard lock(mutex_);
  std::vector<Range> ranges;
  ranges.reserve(ends_.size());
  for (const auto& [begin, end] : ends_) ranges.push_back({begin, end});
  return ranges;
}

std::string describe_address(const std::vector<Range>& ranges, std::uintptr_t address, std::size_t bytes) {
  // The guards belong to the nearest allocation.
  for (const Range& range : ranges) {
    if (address + kGuardBytes < range.begin || address >= range.end + kGuardBytes) continue;
    const auto offset = static_cast<std::ptrdiff_t>(address - range.begin);
    return fmt::format("bytes [{}, {}) of an allocation of {} bytes", offset,
                       offset + static_cast<std::ptrdiff_t>(bytes), range.end - range.begin);
  }
  return fmt::format("{} bytes at {:#x}, which is no device memory", bytes, address);
}

}  // namespace bsg::simt::emulator
