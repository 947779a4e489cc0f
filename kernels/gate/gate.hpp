// The small products of inference: what decides a sample's gates, and its classifier. f32, on the calling thread.
#pragma once

#include <cstdint>

namespace bsg::kernels::cpu {

// y[o] = bias[o] + sum over i, ascending, of x[i] * weight[i][o]: weights lie with the outputs side by side, so that a
// layer of 16 units is one vector wide.
struct Affine {
  std::int64_t inputs = 0, outputs = 0;
  const float* weight = nullptr;  // [inputs][outputs]
  const float* bias = nullptr;    // [outputs]
};
void affine(const Affine& layer, const float* x, bool relu, float* y);

// The channels that are on, those with logit > 0 (a NaN is off): ascending into `open`, whose capacity is `count`, and
// as 1 and 0 into `mask`. Returns how many.
std::int64_t list_open(const float* logits, std::int64_t count, std::int32_t* open, float* mask);

}  // namespace bsg::kernels::cpu
