#pragma once

#include "engine/core/tensor.hpp"

namespace bsg::ops {

// What device kernels count their blocks with (kernels/common/last_block.hpp): zeros.
class Tickets {
 public:
  explicit Tickets(Context& context, std::int64_t count = 1) : memory_(Tensor::zeros(context, {count}, DType::i32)) {}
  // Counted without sign; the tensor only lends its memory.
  unsigned* data() { return static_cast<unsigned*>(memory_.raw()); }

 private:
  Tensor memory_;
};

}  // namespace bsg::ops
