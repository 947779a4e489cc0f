#include "benchmarks/bsg_bench/network_gates.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "engine/core/error.hpp"
#include "models/registry.hpp"

namespace bsg::bench {
namespace {

// Between the value that is number `on` from above and the next: so many are above it.
float threshold(std::vector<float> values, std::size_t on) {
  std::sort(values.begin(), values.end(), std::greater<>());
  if (on == 0) return values.front() + 1;
  if (on == values.size()) return values.back() - 1;
  return (values[on - 1] + values[on]) / 2;
}

// The logits [images][gates] of every gated layer. A few images at a time: the training code's activations of many
// would be what a benchmark is remembered for by its peak of memory.
std::vector<std::vector<float>> gate_logits(Context& context, nn::Network& network, const Tensor& images) {
  constexpr std::int64_t kAtOnce = 4;
  const Shape& shape = images.shape();
  const std::int64_t each = images.numel() / shape[0];
  std::vector<std::vector<float>> logits;
  for (std::int64_t first = 0; first < shape[0]; first += kAtOnce) {
    const std::int64_t count = std::min(kAtOnce, shape[0] - first);
    const Tensor part = Tensor::from(
        context, {count, shape[1], shape[2], shape[3]},
        images.span<float>().subspan(static_cast<std::size_t>(first * each), static_cast<std::size_t>(count * each)));
    std::vector<nn::GateTrace> traces;
    network.forward({.context = context}, part, traces);
    logits.resize(traces.size());
    for (std::size_t layer = 0; layer < traces.size(); ++layer) {
      const std::vector<float> values = traces[layer].logits.value.values<float>();
      logits[layer].insert(logits[layer].end(), values.begin(), values.end());
    }
  }
  return logits;
}

// Each gate's bias, so that it is on in the share `density` of the samples whose logits these are.
void move_thresholds(const std::vector<float>& logits, double density, Tensor& biases) {
  const std::span<float> bias = biases.span<float>();
  const std::size_t samples = logits.size() / bias.size();
  const auto on = static_cast<std::size_t>(std::lround(density * static_cast<double>(samples)));
  for (std::size_t gate = 0; gate < bias.size(); ++gate) {
    std::vector<float> values(samples);
    for (std::size_t n = 0; n < samples; ++n) values[n] = logits[n * bias.size() + gate];
    bias[gate] -= threshold(std::move(values), on);
  }
}

// A gate depends on those before it, so that after pass i the first i layers are as they shall be. The others are
// nearly so after a few.
constexpr std::size_t kPasses = 8;

}  // namespace

bool takes_small_images(std::string_view arch) { return models::image_size(std::string(arch)) == 32; }

int usual_classes(const std::string& arch) {
  if (models::task(arch) == nn::Task::segmentation) return 19;
  return takes_small_images(arch) ? 10 : 1000;
}

Tensor noise_images(Context& context, std::int64_t count, int size, Generator& random) {
  Tensor images = Tensor::empty(context, {count, 3, size, size});
  float* next = images.data<float>();
  for (std::int64_t n = 0; n < count; ++n)
    for (int c = 0; c < 3; ++c) {
      const double brightness = random.normal(), contrast = 0.25 + random.uniform();
      for (int i = 0; i < size * size; ++i) *next++ = static_cast<float>(brightness + contrast * random.normal());
    }
  return images;
}

Tensor first_images(Context& context, const Tensor& images, std::int64_t count) {
  const std::size_t each = static_cast<std::size_t>(images.numel() / images.shape()[0]);
  return Tensor::from(context, {count, images.shape()[1], images.shape()[2], images.shape()[3]},
                      images.span<float>().first(static_cast<std::size_t>(count) * each));
}

void set_density(Context& context, nn::Network& network, const Tensor& images, double density) {
  std::vector<Parameter*> biases;
  for (Parameter* parameter : network.parameters())
    if (parameter->gating && parameter->name.ends_with(".fc2.bias")) biases.push_back(parameter);
  if (density >= 1) {
    // No logit of the networks' initial weights comes near.
    for (Parameter* bias : biases) bias->value.fill(1e6);
    return;
  }
  for (std::size_t pass = 0; pass < std::min(biases.size(), kPasses); ++pass) {
    const std::vector<std::vector<float>> logits = gate_logits(context, network, images);
    if (logits.size() != biases.size())
      throw_error<ShapeError>("set_density: {} gated layers, {} biases of gates", logits.size(), biases.size());
    for (std::size_t layer = pass; layer < biases.size(); ++layer)
      move_thresholds(logits[layer], density, biases[layer]->value);
  }
}

}  // namespace bsg::bench
