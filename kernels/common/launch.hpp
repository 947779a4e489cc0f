// What every kernel is told about where it runs.
#pragma once

namespace bsg::kernels {

// threads: CPU threads that a kernel may use (>= 1). No kernel's result depends on it, to the last bit: work is cut
// into parts by the problem's shape alone, and partial sums are added in a fixed order. stream: the device's queue;
// null on the CPU. tf32: convolutions and matrix products of floats may round what they multiply to tf32 (8 bits of
// exponent, 10 of fraction), which tensor cores take; their sums stay float.
// vendor: the context's state of the vendor's kernels (kernels/vendor/vendor.hpp), null where none are used.
struct Launch {
  int threads = 1;
  void* stream = nullptr;
  bool tf32 = false;
  void* vendor = nullptr;
};

}  // namespace bsg::kernels
