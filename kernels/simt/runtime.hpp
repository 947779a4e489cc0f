// Device memory, streams and events, for the host code around kernels. No CUDA types: streams and events are opaque, a
// null stream is the default one. Copies and kernels of one stream run in order. Host memory of a copy may be used
// again when the call returns, unless it is pinned: then once the stream, or an event recorded after the call, was
// waited for. In the emulator everything is done when the call returns.
//
// Errors: RuntimeError; in the emulator EmulationError (emulator.hpp) for bytes outside an allocation, which is
// surrounded by guard bytes that every launch, synchronize and release check. On a device release and destroy throw
// nothing: destructors call them, and what a kernel did wrong is told to whoever waits for it.
#pragma once

#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace bsg::simt {

// A call of the device's runtime that failed: one line with the call, its sizes and the reason.
class RuntimeError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// How many devices there are: 0 without a GPU or a driver for it; 1 in the emulator. All other functions are for the
// first.
int device_count();
std::string device_name();

// Memory on the device, aligned to 256 bytes; null for 0 bytes and when there is no such memory left. Its contents are
// arbitrary (in the emulator all bits are set, so that floats are NaN). Both calls are queued: the memory is there for
// what follows on this stream (for other streams: for what follows an event recorded after the call), and release lets
// work that was queued before finish. release takes null too.
void* allocate(std::size_t bytes, void* stream = nullptr);
void release(void* memory, void* stream = nullptr);

// Host memory that the device reads and writes by itself (page-locked), so that copies run beside the host's work; null
// for 0 bytes and when there is no such memory left. release_pinned takes null too; copies from and to it must be done.
void* allocate_pinned(std::size_t bytes);
void release_pinned(void* memory);

void copy_to_device(void* to, const void* from, std::size_t bytes, void* stream = nullptr);
void copy_to_host(void* to, const void* from, std::size_t bytes, void* stream = nullptr);
// Returns at once: the bytes are there when the stream, or an event recorded after the call, was waited for. `to` is
// pinned.
void copy_to_host_later(void* to, const void* from, std::size_t bytes, void* stream = nullptr);
void copy_on_device(void* to, const void* from, std::size_t bytes, void* stream = nullptr);
// Sets each byte to the lower eight bits of `value`.
void clear(void* memory, int value, std::size_t bytes, void* stream = nullptr);

// Waits for everything queued on the stream, and reports what failed there.
void synchronize(void* stream = nullptr);

void* create_stream();
// Lets work that was queued before finish.
void destroy_stream(void* stream);

// A place in a stream's work and the time when it was reached. An event that was not recorded counts as reached.
void* create_event();
void destroy_event(void* event);
void record_event(void* event, void* stream = nullptr);
// What is queued on the stream from now on waits for the event.
void wait_for_event(void* stream, void* event);
// The host waits.
void synchronize_event(void* event);
// From one recorded event to a later one; waits for that.
double elapsed_milliseconds(void* begin, void* end);

// An array on the device that belongs to its scope. T is copied bytewise.
template <class T>
class DeviceArray {
 public:
  // All bits are set, so that an element that nothing writes is a NaN, on every device.
  explicit DeviceArray(std::size_t count) : data_(static_cast<T*>(allocate(count * sizeof(T)))), count_(count) {
    clear(data_, 0xFF, count * sizeof(T));
    synchronize();  // it may be used on any stream
  }
  explicit DeviceArray(std::span<const T> values) : DeviceArray(values.size()) { assign(values); }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(std::span<const T>(values)) {}
  DeviceArray(DeviceArray&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), count_(std::exchange(other.count_, 0)) {}
  DeviceArray& operator=(DeviceArray&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(count_, other.count_);
    return *this;
  }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;
  ~DeviceArray() {
    // What a kernel did to the guards, its launch has reported.
    try {
      release(data_);
    } catch (const std::runtime_error&) {
    }
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return count_; }

  // The first values.size() elements.
  void assign(std::span<const T> values) {
    copy_to_device(data_, values.data(), values.size_bytes());
    synchronize();
  }
  std::vector<T> to_host() const {
    std::vector<T> values(count_);
    copy_to_host(values.data(), data_, count_ * sizeof(T));
    return values;
  }

 private:
  T* data_ = nullptr;
  std::size_t count_ = 0;
};

}  // namespace bsg::simt
