// launch.hpp for nvcc.
#pragma once

#include <cuda_runtime_api.h>
#include <string>
#include <utility>

#include "kernels/simt/launch.hpp"

namespace bsg::simt {

namespace nvcc {
[[noreturn]] inline void fail_launch(const void* kernel, const Where& where, cudaError_t error) {
  const char* name = nullptr;
  if (cudaFuncGetName(&name, kernel) != cudaSuccess || name == nullptr) name = "(unnamed)";
  throw LaunchError(std::string("launch of ") + name + " by " + where.function + ": " + cudaGetErrorString(error));
}
}  // namespace nvcc

namespace nvcc {
template <class... P, class... A>
void launch(std::size_t shared_bytes, void (*kernel)(P...), const Grid& grid, Index3 block, void* stream, A&&... args) {
  static_assert(sizeof...(P) == sizeof...(A), "one argument for each parameter of the kernel");
  if (grid.blocks.x == 0 || grid.blocks.y == 0 || grid.blocks.z == 0) return;
  const void* function = reinterpret_cast<const void*>(kernel);
  // More than this has to be asked for.
  if (shared_bytes > 48 * 1024) {
    const cudaError_t error =
        cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes));
    if (error != cudaSuccess) fail_launch(function, grid.where, error);
  }
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(grid.blocks.x, grid.blocks.y, grid.blocks.z);
  config.blockDim = dim3(block.x, block.y, block.z);
  config.dynamicSmemBytes = shared_bytes;
  config.stream = static_cast<cudaStream_t>(stream);
  const cudaError_t error = cudaLaunchKernelEx(&config, kernel, static_cast<P>(std::forward<A>(args))...);
  if (error != cudaSuccess) fail_launch(function, grid.where, error);
}
}  // namespace nvcc

template <class Storage, class... P, class... A>
void launch(void (*kernel)(P...), Grid grid, Index3 block, void* stream, A&&... args) {
  nvcc::launch(kSharedBytes<Storage>, kernel, grid, block, stream, std::forward<A>(args)...);
}

template <class Storage, class... P, class... A>
void launch_with_tail(std::size_t tail_bytes, void (*kernel)(P...), Grid grid, Index3 block, void* stream,
                      A&&... args) {
  nvcc::launch(kTailOffset<Storage> + tail_bytes, kernel, grid, block, stream, std::forward<A>(args)...);
}

}  // namespace bsg::simt
