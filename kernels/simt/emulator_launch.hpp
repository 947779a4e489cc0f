// launch.hpp for the emulator.
#pragma once

#include <tuple>
#include <utility>

#include "kernels/simt/emulator/launcher.hpp"
#include "kernels/simt/emulator/queue.hpp"
#include "kernels/simt/launch.hpp"

namespace bsg::simt {

namespace emulator {
template <class... P, class... A>
void launch(std::size_t shared_bytes, void (*kernel)(P...), const Grid& grid, Index3 block, void* stream, A&&... args) {
  static_assert(sizeof...(P) == sizeof...(A), "one argument for each parameter of the kernel");
  if (grid.blocks.x == 0 || grid.blocks.y == 0 || grid.blocks.z == 0) return;
  struct Call {
    void (*kernel)(P...);
    std::tuple<P...> arguments;
  } call{kernel, {static_cast<P>(std::forward<A>(args))...}};
  const auto body = [](void* opaque) {
    const Call& made = *static_cast<const Call*>(opaque);
    std::apply(made.kernel, made.arguments);
  };
  submit(stream, [=]() mutable { run_grid(grid.blocks, block, shared_bytes, body, &call, grid.where); });
}
}  // namespace emulator

template <class Storage, class... P, class... A>
void launch(void (*kernel)(P...), Grid grid, Index3 block, void* stream, A&&... args) {
  emulator::launch(kSharedBytes<Storage>, kernel, grid, block, stream, std::forward<A>(args)...);
}

template <class Storage, class... P, class... A>
void launch_with_tail(std::size_t tail_bytes, void (*kernel)(P...), Grid grid, Index3 block, void* stream,
                      A&&... args) {
  emulator::launch(kTailOffset<Storage> + tail_bytes, kernel, grid, block, stream, std::forward<A>(args)...);
}

}  // namespace bsg::simt
