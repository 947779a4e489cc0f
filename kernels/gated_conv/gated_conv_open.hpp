// Internal to this family: how a block of the device kernels begins.
#pragma once

#include "kernels/gated_conv/gated_conv_load.hpp"
#include "kernels/gated_conv/gated_conv_store.hpp"

namespace bsg::kernels::device {

// Fills shared.block and what the block looks up. False where it has no slots: it is done then. Called by all threads.
template <class T>
__device__ __forceinline__ bool open_block(const ConvParameters& p, conv_block::Storage& shared) {
  if (simt::thread().x == 0) shared.block = locate_block(p);
  simt::sync_block();
  const ConvBlock& b = shared.block;
  if (b.slots <= 0) {
    if (p.zero_filled && b.active_outputs == 0 && b.first_slot == 0) store_zeros<T>(p, b);
    return false;
  }
  fill_storage(p, b, shared);
  simt::sync_block();
  return true;
}

}  // namespace bsg::kernels::device
