// When the emulator does what is queued on a stream: at once, or late (QueuedWork of emulator.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

#include "kernels/simt/emulator/capture.hpp"

namespace bsg::simt::emulator {

// A place in a stream's work: all that was queued before it.
struct QueuePlace {
  void* stream = nullptr;
  std::uint64_t count = 0;
};

// Whether the calling thread's work waits. Where not, does what still waits on the stream.
bool queues_work(void* stream);
void queue(void* stream, std::function<void()> work);
QueuePlace end_of_queue(void* stream);
// Does what waits up to the place. Mistakes that the emulator finds in it are thrown here.
void finish(const QueuePlace& place);
void finish(void* stream);
// Of a stream that goes.
void forget(void* stream);

// Does the work of a stream when its time has come, or records it while the stream is captured.
template <class Work>
void submit(void* stream, Work work) {
  if (capturing(stream)) return record(std::move(work));
  if (queues_work(stream)) return queue(stream, std::move(work));
  work();
}

// Pinned host memory, which queued copies read as it is when they are done.
void add_pinned(const void* memory, std::size_t bytes);
void remove_pinned(const void* memory);
bool is_pinned(const void* memory);

}  // namespace bsg::simt::emulator
