#include "engine/nn/network.hpp"

#include "engine/core/error.hpp"

namespace bsg::nn {

void MacModel::add_fixed(std::int64_t count) {
  dense += count;
  fixed += count;
}

void MacModel::add_layer(const GatedLayer& layer, std::int64_t gating_macs) {
  const std::int64_t gates_before = layers.empty() ? 0 : layers.back().gates;
  dense += layer.gates * (layer.macs_per_gate + gates_before * layer.macs_per_pair);
  fixed += gating_macs;
  gating += gating_macs;
  layers.push_back(layer);
}

std::int64_t MacModel::needed(const std::vector<std::int64_t>& open) const {
  if (open.size() != layers.size())
    throw_error<ShapeError>("MAC accounting: counts for {} gated layers, the network has {}", open.size(),
                            layers.size());
  std::int64_t total = fixed;
  for (std::size_t i = 0; i < open.size(); ++i) {
    const std::int64_t open_before = i == 0 ? 0 : open[i - 1];
    total += open[i] * (layers[i].macs_per_gate + open_before * layers[i].macs_per_pair);
  }
  return total;
}

std::int64_t MacModel::gates() const {
  std::int64_t total = 0;
  for (const GatedLayer& layer : layers) total += layer.gates;
  return total;
}

}  // namespace bsg::nn
