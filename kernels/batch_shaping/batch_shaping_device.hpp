// Batch-shaping on the device: ranks along the batch, the prior's distribution function and density, loss and gradient
// in one launch.
#pragma once

#include "kernels/batch_shaping/batch_shaping.hpp"

namespace bsg::kernels::device {

inline constexpr std::int64_t kLargestShapingBatch = 8192;

struct BatchShapingScratch {
  float* losses = nullptr;     // [gates]; afterwards each gate's sum of squares, before `scale`
  unsigned* ticket = nullptr;  // one number, zero before the first call; left zero
};

// What cpu::batch_shaping computes, in float, with its rules for equal values (-0 equals 0) and NaN: loss [1],
// gradient [batch, gates]. A value outside [0, 1] that is no logit counts as NaN. batch <= kLargestShapingBatch; an
// empty batch has loss 0. Each gate's squares are added in a fixed tree, the gates' losses in double in a fixed order,
// by the block that ends last: the same bits in every run.
void batch_shaping(const Launch& launch, const BatchShapingArguments& arguments, const float* values, float* gradient,
                   float* loss, const BatchShapingScratch& scratch);

}  // namespace bsg::kernels::device
