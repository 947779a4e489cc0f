#include "engine/inference/fold.hpp"

#include <cmath>

#include "engine/core/error.hpp"

namespace bsg::inference {
namespace {

std::vector<double> doubles_of(const Tensor& tensor) {
  if (tensor.dtype() == DType::f64) return tensor.values<double>();
  const std::vector<float> values = tensor.values<float>();
  return {values.begin(), values.end()};
}

}  // namespace

std::vector<float> values_of(const Tensor& tensor) {
  std::vector<float> values;
  for (const double value : doubles_of(tensor)) values.push_back(static_cast<float>(value));
  return values;
}

Folded fold(const Tensor& weight, const nn::BatchNorm& norm) {
  if (weight.shape()[0] != norm.running_mean.numel())
    throw_error<ShapeError>("inference graph: batch norm of {} channels after a layer with weight {}",
                            norm.running_mean.numel(), weight.shape().str());
  const std::vector<double> scale = doubles_of(norm.weight.value), shift = doubles_of(norm.bias.value),
                            mean = doubles_of(norm.running_mean), variance = doubles_of(norm.running_var);
  const std::vector<double> unfolded = doubles_of(weight);
  const std::size_t per_channel = scale.empty() ? 0 : unfolded.size() / scale.size();
  Folded folded;
  for (std::size_t channel = 0; channel < scale.size(); ++channel) {
    const double factor = scale[channel] / std::sqrt(variance[channel] + nn::BatchNorm::kEpsilon);
    for (std::size_t i = 0; i < per_channel; ++i)
      folded.weight.push_back(static_cast<float>(unfolded[channel * per_channel + i] * factor));
    folded.bias.push_back(static_cast<float>(shift[channel] - mean[channel] * factor));
  }
  return folded;
}

}  // namespace bsg::inference
