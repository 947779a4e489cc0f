#include "engine/nn/network.hpp"

#include "engine/core/error.hpp"

namespace bsg::nn {

std::int64_t MacModel::needed(const std::vector<std::int64_t>& open) const {
  if (open.size() != layers.size())
    throw_error<ShapeError>("MAC accounting: counts for {} gated layers, the network has {}", open.size(),
                            layers.size());
  std::int64_t total = fixed;
  for (std::size_t i = 0; i < open.size(); ++i) total += open[i] * layers[i].macs_per_gate;
  return total;
}

std::int64_t MacModel::gates() const {
  std::int64_t total = 0;
  for (const GatedLayer& layer : layers) total += layer.gates;
  return total;
}

}  // namespace bsg::nn
