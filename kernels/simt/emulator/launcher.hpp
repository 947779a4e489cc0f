// Runs the blocks of a launch.
#pragma once

#include <cstddef>

#include "kernels/simt/emulator.hpp"
#include "kernels/simt/language.hpp"

namespace bsg::simt::emulator {

// Checks the extents as CUDA does (LaunchError) and calls body(arguments) once for each thread of each block. Throws
// EmulationError with the first mistake found, when no block runs any more.
void run_grid(Index3 grid, Index3 block, std::size_t shared_bytes, void (*body)(void* arguments), void* arguments,
              Where where);

// Of the calling thread, now.
const EmulatorOptions& launch_options();

// Adds to EmulatedCalls::waits.
void count_wait();

}  // namespace bsg::simt::emulator
