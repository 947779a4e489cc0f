// Where the activations of one sample lie: values that are never alive together share memory.
#pragma once

#include <cstddef>
#include <vector>

#include "kernels/gated_conv/planes.hpp"

namespace bsg::inference {

// A value's life, in steps of the program.
struct Life {
  kernels::PlaneLayout layout;
  int written = -1;     // the step that writes it; values are listed in this order
  int last_read = -1;   // < 0: never read
  int overwrites = -1;  // a value that the writing step reads no further than what it writes there; < 0: none
};

struct Storage {
  std::vector<std::int64_t> offset;  // of each value, in elements: whole cache lines
  std::int64_t size = 0;             // elements in all
};

// Only values of one layout share memory: the zeros in the frame around the planes are written once, when the memory is
// cleared, and must stay.
Storage assign_storage(const std::vector<Life>& values);

}  // namespace bsg::inference
