// Softmax cross-entropy on the device, with the rules of engine/ops/softmax_cross_entropy.hpp. Channels last: logits
// [positions, classes], a position for every pixel of every sample. T: float or simt::bfloat16, computed in float.
#pragma once

#include <cstdint>

#include "kernels/common/launch.hpp"

namespace bsg::kernels::device {

struct CrossEntropy {
  std::int64_t positions = 0, classes = 0;
  double label_smoothing = 0;
  std::int64_t ignore_index = -100;
  const float* class_weights = nullptr;  // [classes]; null: 1 each
};

// What forward leaves for backward.
struct CrossEntropySaved {
  float* log_sum = nullptr;  // [positions]: log of the sum of exp(logits), where the label is not ignored
  float* share = nullptr;    // [1]: 1 / sum of the weights of the positions' labels, 0 where that is 0
};

struct CrossEntropyScratch {
  static constexpr std::int64_t kPartials = 1024;
  double* partials = nullptr;  // [kPartials]
  unsigned* ticket = nullptr;  // one number, zero before the first call, and left zero
};

// loss [1]: the weighted mean over the positions that count; 0 where none has weight. A label that is neither a class
// nor ignored makes the loss NaN and reads nothing. Sums over positions in double and in a fixed order: the same bits
// in every run.
template <class T>
void softmax_cross_entropy(const Launch& launch, const CrossEntropy& arguments, const T* logits,
                           const std::int64_t* labels, float* loss, const CrossEntropySaved& saved,
                           const CrossEntropyScratch& scratch);

// dlogits = dloss[0] * share[0] * (weight * softmax - weighted target), 0 where the label is ignored, NaN where it is
// not a class. dloss null: 1. accumulate: added to dlogits.
template <class T>
void softmax_cross_entropy_backward(const Launch& launch, const CrossEntropy& arguments, const T* logits,
                                    const std::int64_t* labels, const CrossEntropySaved& saved, const float* dloss,
                                    T* dlogits, bool accumulate);

}  // namespace bsg::kernels::device
