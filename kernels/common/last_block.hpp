// How one launch ends with a sum over its blocks: the block that arrives last does it, reading the others' partial
// results in a fixed order, so that the bits do not depend on which block that was.
#pragma once

#include "kernels/simt/simt.hpp"

namespace bsg::kernels::device {

// Called by all threads of every one of `blocks` blocks, once each, after their partial results are in global memory.
// True in the block that arrives last, which then may read what all of them wrote, by plain loads (not load_read_only).
// ticket is zero before the first launch that uses it, and left zero: launches that use it one after another share it.
__device__ inline bool last_block(unsigned* ticket, unsigned blocks) {
  simt::fence_device();
  simt::sync_block();
  const simt::Index3 at = simt::thread();
  const bool first_thread = at.x == 0 && at.y == 0 && at.z == 0;
  const bool last = simt::sync_block_any(first_thread && simt::atomic_add(ticket, 1U) == blocks - 1);
  if (!last) return false;
  simt::fence_device();
  if (first_thread) *ticket = 0;
  return true;
}

}  // namespace bsg::kernels::device
