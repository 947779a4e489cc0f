// Class scores that must be the same, as far as a precision goes.
#pragma once

#include <string>
#include <string_view>

#include "engine/core/tensor.hpp"

namespace bsg::bench {

// Compares logits [samples, classes] with those of a reference, relative to the largest: to 1e-4 in f32. In tf32 and
// bf16 the order of sums shows in the last of their few digits, and may move a gate that is near its threshold, which
// moves a whole sample: there to 5e-2, and one sample in ten may be off. Throws NumericError, naming `what`.
void check_logits(const std::string& what, const Tensor& reference, const Tensor& found, std::string_view precision);

}  // namespace bsg::bench
