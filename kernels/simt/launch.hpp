// Starting a kernel from the host.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <type_traits>

#include "kernels/simt/language.hpp"
#include "kernels/simt/memory.hpp"

namespace bsg::simt {

// A kernel that could not be started: one line with the call, the kernel where the driver knows it, and the reason.
class LaunchError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The grid of a launch, and the place of the launch for messages.
struct Grid {
  Index3 blocks;
  Where where;
  // NOLINTBEGIN(google-explicit-constructor): a launch is given an Index3 or {x, y, z}.
  Grid(Index3 extent, Where call = Where()) : blocks(extent), where(call) {}
  Grid(unsigned x, unsigned y = 1, unsigned z = 1, Where call = Where()) : blocks{x, y, z}, where(call) {}
  // NOLINTEND(google-explicit-constructor)
};

// Queues kernel(args...) on `stream` with a grid of blocks of `block` threads each, and returns. A grid of no blocks
// does nothing. Arguments are converted to the kernel's parameter types and copied.
//   launch<Storage>(kernel, {blocks}, {threads}, stream, args...);
// Errors: LaunchError. The emulator runs the kernel before it returns, and throws EmulationError (emulator.hpp).
template <class Storage = NoStorage, class... P, class... A>
void launch(void (*kernel)(P...), Grid grid, Index3 block, void* stream, A&&... args);

// launch with `tail_bytes` of shared storage behind Storage, which the kernel reaches by shared_tail<Storage>(): for
// sizes that only the host knows.
template <class Storage, class... P, class... A>
void launch_with_tail(std::size_t tail_bytes, void (*kernel)(P...), Grid grid, Index3 block, void* stream, A&&... args);

}  // namespace bsg::simt

#if defined(__CUDACC__)
#include "kernels/simt/nvcc_launch.hpp"
#else
#include "kernels/simt/emulator_launch.hpp"
#endif
