// Batch norm with running statistics is one multiplication and one addition a channel: folded into the layer before it.
#pragma once

#include <vector>

#include "engine/nn/layers.hpp"

namespace bsg::inference {

// f32 values of a parameter, whatever its type.
std::vector<float> values_of(const Tensor& tensor);

// weight' = weight * s and bias' = shift - mean * s with s = scale / sqrt(variance + epsilon), one for each leading
// index of weight, computed in double. Throws ShapeError when the layer and the batch norm differ in their channels.
struct Folded {
  std::vector<float> weight, bias;
};
Folded fold(const Tensor& weight, const nn::BatchNorm& norm);

}  // namespace bsg::inference
