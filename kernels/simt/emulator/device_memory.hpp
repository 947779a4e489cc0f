// The emulator's device memory: which allocations there are, and guard bytes around each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace bsg::simt::emulator {

// The addresses of an allocation, [begin, end).
struct Range {
  std::uintptr_t begin = 0, end = 0;
};

// Bytes before and after each allocation that hold kGuardByte until something writes where it must not. Under
// AddressSanitizer they are poisoned instead, and any access to them is reported.
inline constexpr std::size_t kGuardBytes = 256;
inline constexpr unsigned char kGuardByte = 0xA5;
inline constexpr unsigned char kPoisonByte = 0xFF;

class DeviceMemory {
 public:
  // Of this process, as a device has one memory.
  static DeviceMemory& instance();

  void* allocate(std::size_t bytes);
  // What is said about damaged guards; empty when there is nothing to say. The memory is released in any case.
  std::string release(void* memory);
  // The same for all allocations; whatever was said is not said again.
  std::string damaged_guards();

  // Sorted by address.
  std::vector<Range> allocations() const;

 private:
  static std::string check_and_restore(const Range& range);

  mutable std::mutex mutex_;
  std::map<std::uintptr_t, std::uintptr_t> ends_;  // of allocations, by their begin
};

// Where `bytes` at `address` lie with respect to the nearest range, for messages.
std::string describe_address(const std::vector<Range>& ranges, std::uintptr_t address, std::size_t bytes);

// Fills `guard` with the guard byte and makes it inaccessible where AddressSanitizer is there to notice.
void raise_guard(unsigned char* guard);
// The first damaged byte's offset in `guard`, or kGuardBytes; a damaged guard is filled again.
std::size_t check_guard(unsigned char* guard);

}  // namespace bsg::simt::emulator
