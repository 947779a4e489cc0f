// What a host program can set of the emulator, and how the emulator reports a kernel's mistakes.
#pragma once

#include <cstdint>
#include <stdexcept>

namespace bsg::simt {

// A mistake that the emulator found in a kernel, or an exception that a kernel threw: one line that names the launch,
// the block, the thread and the operation with its place in the source. Thrown on the host by the launch (or by the
// call of runtime.hpp) that found it; device memory then holds whatever the kernel had written so far.
class EmulationError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// In which order the threads of a block get their turns. A turn ends at a barrier or a warp operation. Right kernels
// give the same result in every order.
enum class ThreadOrder { forward, reverse, shuffled };

// When work that is queued on a stream is done: before the call that queues it returns; or not before someone waits for
// it. Late is the other end of what a GPU may do: a host that reads too early, that changes pinned memory too early, or
// that forgets that two streams know nothing of each other finds the wrong values every time.
enum class QueuedWork { at_once, late };

struct EmulatorOptions {
  ThreadOrder order = ThreadOrder::forward;
  std::uint64_t seed = 1;  // of the shuffled order
  int os_threads = 0;      // that share the blocks of a launch; 0: one for each CPU
  QueuedWork queued_work = QueuedWork::at_once;
};

// Sets the options of launches made by the calling thread until the end of the scope.
class ScopedEmulatorOptions {
 public:
  explicit ScopedEmulatorOptions(const EmulatorOptions& options);
  ~ScopedEmulatorOptions();
  ScopedEmulatorOptions(const ScopedEmulatorOptions&) = delete;
  ScopedEmulatorOptions& operator=(const ScopedEmulatorOptions&) = delete;

 private:
  EmulatorOptions previous_;
};

// What the calling thread has asked of the device so far.
struct EmulatedCalls {
  std::uint64_t launches = 0;  // of kernels, those in graphs included
  std::uint64_t waits = 0;     // calls that return when the device is done
};
EmulatedCalls emulated_calls();

// How often the calling thread's launches have changed from one thread of a block to another, so far.
std::uint64_t emulated_switches();

}  // namespace bsg::simt
