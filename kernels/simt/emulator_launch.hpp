// launch.hpp for the emulator.
#pragma once

#include <tuple>
#include <utility>

#include "kernels/simt/emulator/launcher.hpp"
#include "kernels/simt/launch.hpp"

namespace bsg::simt {

template <class Storage, class... P, class... A>
void launch(void (*kernel)(P...), Grid grid, Index3 block, void* /*stream*/, A&&... args) {
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
  emulator::run_grid(grid.blocks, block, kSharedBytes<Storage>, body, &call, grid.where);
}

}  // namespace bsg::simt
