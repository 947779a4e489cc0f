// Work that is recorded instead of done: what graph.hpp is in the emulator.
#pragma once

#include <functional>

namespace bsg::simt::emulator {

// Whether the calling thread records what is queued on `stream`.
bool capturing(const void* stream);
// Adds to it.
void record(std::function<void()> work);

// Throws EmulationError while the calling thread records anything: `call` is none that a graph can hold.
void refuse_capture(const char* call);

}  // namespace bsg::simt::emulator
