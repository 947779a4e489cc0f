#include "kernels/simt/runtime.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "kernels/simt/emulator.hpp"
#include "kernels/simt/emulator/device_memory.hpp"
#include "kernels/simt/emulator/launcher.hpp"
#include "kernels/simt/emulator/queue.hpp"

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

void check_guards(const char* call) {
  const std::string damage = DeviceMemory::instance().damaged_guards();
  if (!damage.empty()) throw EmulationError(std::string(call) + ": " + damage);
}

}  // namespace

int device_count() { return 1; }
std::string device_name() { return "emulator on the CPU"; }

void* allocate(std::size_t bytes, void* /*stream*/) {
  emulator::refuse_capture("allocate");
  return bytes == 0 ? nullptr : DeviceMemory::instance().allocate(bytes);
}

void release(void* memory, void* stream) {
  if (memory == nullptr) return;
  emulator::submit(stream, [=] {
    const std::string damage = DeviceMemory::instance().release(memory);
    if (!damage.empty()) throw EmulationError("release: " + damage);
  });
}

void* allocate_pinned(std::size_t bytes) {
  void* const memory = bytes == 0 ? nullptr : ::operator new(bytes, std::nothrow);
  if (memory != nullptr) emulator::add_pinned(memory, bytes);
  return memory;
}

void release_pinned(void* memory) {
  emulator::remove_pinned(memory);
  ::operator delete(memory);
}

void copy_to_device(void* to, const void* from, std::size_t bytes, void* stream) {
  emulator::refuse_capture("copy_to_device");
  check_range("copy_to_device", to, bytes);
  if (bytes == 0) return;
  if (!emulator::queues_work(stream) || emulator::is_pinned(from))
    return emulator::submit(stream, [=] { std::memcpy(to, from, bytes); });
  const auto* const begin = static_cast<const unsigned char*>(from);
  emulator::queue(stream, [to, staged = std::vector<unsigned char>(begin, begin + bytes)] {
    std::memcpy(to, staged.data(), staged.size());
  });
}

void copy_to_host(void* to, const void* from, std::size_t bytes, void* stream) {
  emulator::refuse_capture("copy_to_host");
  emulator::count_wait();
  check_range("copy_to_host", from, bytes);
  emulator::finish(stream);
  if (bytes != 0) std::memcpy(to, from, bytes);
}

void copy_to_host_later(void* to, const void* from, std::size_t bytes, void* stream) {
  emulator::refuse_capture("copy_to_host_later");
  check_range("copy_to_host_later", from, bytes);
  if (bytes == 0) return;
  // What is read too early.
  std::memset(to, emulator::kPoisonByte, bytes);
  emulator::submit(stream, [=] { std::memcpy(to, from, bytes); });
}

void copy_on_device(void* to, const void* from, std::size_t bytes, void* stream) {
  emulator::submit(stream, [=] {
    check_range("copy_on_device", to, bytes);
    check_range("copy_on_device", from, bytes);
    if (bytes != 0) std::memcpy(to, from, bytes);
  });
}

void clear(void* memory, int value, std::size_t bytes, void* stream) {
  emulator::submit(stream, [=] {
    check_range("clear", memory, bytes);
    if (bytes != 0) std::memset(memory, value, bytes);
  });
}

void synchronize(void* stream) {
  emulator::refuse_capture("synchronize");
  emulator::count_wait();
  emulator::finish(stream);
  check_guards("synchronize");
}

// A stream of the emulator is the address of a byte.
void* create_stream() { return new char; }
void destroy_stream(void* stream) {
  // A mistake in work that nobody waited for is nobody's.
  try {
    emulator::finish(stream);
  } catch (const std::runtime_error&) {
  }
  emulator::forget(stream);
  delete static_cast<char*>(stream);
}

namespace {
using Clock = std::chrono::steady_clock;
struct Event {
  emulator::QueuePlace place;
  std::shared_ptr<Clock::time_point> reached = std::make_shared<Clock::time_point>();
};
Event& event_of(void* event) { return *static_cast<Event*>(event); }
}  // namespace

void* create_event() { return new Event; }
void destroy_event(void* event) { delete static_cast<Event*>(event); }
void record_event(void* event, void* stream) {
  Event& e = event_of(event);
  emulator::submit(stream, [reached = e.reached] { *reached = Clock::now(); });
  e.place = emulator::end_of_queue(stream);
}
void wait_for_event(void* stream, void* event) {
  emulator::submit(stream, [place = event_of(event).place] { emulator::finish(place); });
}
void synchronize_event(void* event) {
  emulator::count_wait();
  emulator::finish(event_of(event).place);
  check_guards("synchronize_event");
}

double elapsed_milliseconds(void* begin, void* end) {
  emulator::count_wait();
  emulator::finish(event_of(end).place);
  return std::chrono::duration<double, std::milli>(*event_of(end).reached - *event_of(begin).reached).count();
}

}  // namespace bsg::simt
