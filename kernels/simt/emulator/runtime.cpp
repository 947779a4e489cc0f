#include "kernels/simt/runtime.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <new>
#include <string>

#include <fmt/format.h>

#include "kernels/simt/emulator.hpp"
#include "kernels/simt/emulator/capture.hpp"
#include "kernels/simt/emulator/device_memory.hpp"
#include "kernels/simt/emulator/launcher.hpp"

namespace bsg::simt {

using emulator::DeviceMemory;

namespace {

void check_range(const char* name, const void* memory, std::size_t bytes) {
  if (bytes == 0) return;
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  const std::vector<emulator::Range> ranges = DeviceMemory::instance().allocations();
  const bool inside = std::any_of(ranges.begin(), ranges.end(), [&](const emulator::Range& range) {
    return address >= range.begin && address + bytes <= range.end;
  });
  if (!inside) throw EmulationError(fmt::format("{}: {}", name, describe_address(ranges, address, bytes)));
}

}  // namespace

int device_count() { return 1; }
std::string device_name() { return "emulator on the CPU"; }

void* allocate(std::size_t bytes, void* /*stream*/) {
  emulator::refuse_capture("allocate");
  return bytes == 0 ? nullptr : DeviceMemory::instance().allocate(bytes);
}

void release(void* memory, void* /*stream*/) {
  if (memory == nullptr) return;
  const std::string damage = DeviceMemory::instance().release(memory);
  if (!damage.empty()) throw EmulationError("release: " + damage);
}

void* allocate_pinned(std::size_t bytes) { return bytes == 0 ? nullptr : ::operator new(bytes, std::nothrow); }
void release_pinned(void* memory) { ::operator delete(memory); }

void copy_to_device(void* to, const void* from, std::size_t bytes, void* /*stream*/) {
  emulator::refuse_capture("copy_to_device");
  check_range("copy_to_device", to, bytes);
  if (bytes != 0) std::memcpy(to, from, bytes);
}

void copy_to_host(void* to, const void* from, std::size_t bytes, void* /*stream*/) {
  emulator::refuse_capture("copy_to_host");
  emulator::count_wait();
  check_range("copy_to_host", from, bytes);
  if (bytes != 0) std::memcpy(to, from, bytes);
}

void copy_to_host_later(void* to, const void* from, std::size_t bytes, void* /*stream*/) {
  emulator::refuse_capture("copy_to_host_later");
  check_range("copy_to_host_later", from, bytes);
  if (bytes != 0) std::memcpy(to, from, bytes);
}

void copy_on_device(void* to, const void* from, std::size_t bytes, void* stream) {
  if (emulator::capturing(stream)) return emulator::record([=] { copy_on_device(to, from, bytes, nullptr); });
  check_range("copy_on_device", to, bytes);
  check_range("copy_on_device", from, bytes);
  if (bytes != 0) std::memcpy(to, from, bytes);
}

void clear(void* memory, int value, std::size_t bytes, void* stream) {
  if (emulator::capturing(stream)) return emulator::record([=] { clear(memory, value, bytes, nullptr); });
  check_range("clear", memory, bytes);
  if (bytes != 0) std::memset(memory, value, bytes);
}

void synchronize(void* /*stream*/) {
  emulator::refuse_capture("synchronize");
  emulator::count_wait();
  const std::string damage = DeviceMemory::instance().damaged_guards();
  if (!damage.empty()) throw EmulationError("synchronize: " + damage);
}

// A stream of the emulator is the address of a byte: everything is done when its call returns.
void* create_stream() { return new char; }
void destroy_stream(void* stream) { delete static_cast<char*>(stream); }

namespace {
using Clock = std::chrono::steady_clock;
Clock::time_point& reached(void* event) { return *static_cast<Clock::time_point*>(event); }
}  // namespace

void* create_event() { return new Clock::time_point{}; }
void destroy_event(void* event) { delete static_cast<Clock::time_point*>(event); }
void record_event(void* event, void* /*stream*/) { reached(event) = Clock::now(); }
void wait_for_event(void* /*stream*/, void* /*event*/) {}
void synchronize_event(void* /*event*/) { synchronize(nullptr); }

double elapsed_milliseconds(void* begin, void* end) {
  emulator::count_wait();
  return std::chrono::duration<double, std::milli>(reached(end) - reached(begin)).count();
}

}  // namespace bsg::simt
