// A block decides one sample. Channels go through in rounds of one a thread; ballots turn each round into bits of the
// mask and places in the list.
#include <cmath>

#include "kernels/gate/gate_device.hpp"
#include "kernels/random/philox.hpp"
#include "kernels/simt/simt.hpp"

namespace bsg::kernels::device {
namespace {

constexpr unsigned kGateThreads = 256;
constexpr unsigned kGateWarps = kGateThreads / simt::kWarp;

// Adds rounds of channels to a sample's mask. All threads of the block call add() for the same rounds.
struct MaskWriter {
  const GateMask& mask;
  std::int64_t sample;
  unsigned* counts;  // [kGateWarps] in shared storage
  unsigned listed = 0;

  // Channel `channel` is this thread's, consecutive over the block from a multiple of the warp's width on; on is false
  // behind the last channel.
  __device__ void add(unsigned channel, bool on) {
    const unsigned lane = simt::lane(), warp = simt::warp();
    const unsigned lanes = simt::ballot(on);
    if (lane == 0) {
      counts[warp] = static_cast<unsigned>(simt::popcount(lanes));
      if (channel < mask.channels) mask.bits[sample * ((mask.channels + 31) / 32) + channel / 32] = lanes;
    }
    simt::sync_block();
    unsigned before = listed;
    for (unsigned w = 0; w < kGateWarps; ++w) {
      before += w < warp ? counts[w] : 0;
      listed += counts[w];
    }
    const auto place = before + static_cast<unsigned>(simt::popcount(lanes & ((1U << lane) - 1)));
    if (on) mask.list[sample * mask.channels + place] = static_cast<std::uint16_t>(channel);
    simt::sync_block();
  }
  __device__ void finish() const {
    if (simt::thread().x == 0) mask.count[sample] = static_cast<std::int32_t>(listed);
  }
};

__device__ float pooled_mean(const PooledSums& pooled, float factor, std::int64_t sample, std::int64_t channels,
                             std::int64_t channel) {
  const float* from = pooled.sums + sample * pooled.tiles * channels + channel;
  float sum = 0;
  for (std::int64_t tile = 0; tile < pooled.tiles; ++tile) sum += from[tile * channels];
  return sum * factor;
}

// Behind it: the pooled inputs, then the hidden units.
struct GateStorage {
  float partial[kGateThreads];
  unsigned counts[kGateWarps];
};

__global__ void __launch_bounds__(kGateThreads)
    infer(PooledSums pooled, float factor, GateLayers layers, GateMask mask, GateReport report) {
  auto& s = simt::shared<GateStorage>();
  const unsigned t = simt::thread().x;
  const std::int64_t sample = simt::block().x;
  const auto inputs = static_cast<unsigned>(layers.inputs), hidden = static_cast<unsigned>(layers.hidden),
             outputs = static_cast<unsigned>(layers.outputs);
  auto* const pooled_inputs = reinterpret_cast<float*>(simt::shared_tail<GateStorage>());
  float* const hidden_units = pooled_inputs + inputs;
  for (unsigned c = t; c < inputs; c += kGateThreads) pooled_inputs[c] = pooled_mean(pooled, factor, sample, inputs, c);
  simt::sync_block();
  for (unsigned first = 0; first < hidden; first += kGateThreads) {
    // `slices` threads share a unit's inputs, so that neighbouring threads read neighbouring weights.
    const unsigned units = simt::minimum(hidden - first, kGateThreads);
    const unsigned slices = kGateThreads / units, unit = first + t % units, slice = t / units;
    float sum = 0;
    for (unsigned i = slice; slice < slices && i < inputs; i += slices)
      sum = std::fma(pooled_inputs[i], layers.weight1[i * hidden + unit], sum);
    s.partial[t] = sum;
    simt::sync_block();
    if (t < units) {
      sum = layers.bias1[unit];
      for (unsigned i = 0; i < slices; ++i) sum += s.partial[i * units + t];
      hidden_units[unit] = sum < 0 ? 0 : sum;  // NaN stays
    }
    simt::sync_block();
  }
  MaskWriter writer{mask, sample, s.counts};
  for (unsigned first = 0; first < outputs; first += kGateThreads) {
    const unsigned channel = first + t;
    float logit = 0;
    if (channel < outputs) {
      logit = layers.bias2[channel];
      for (unsigned h = 0; h < hidden; ++h)
        logit = std::fma(hidden_units[h], layers.weight2[h * outputs + channel], logit);
      if (report.logits != nullptr) report.logits[sample * outputs + channel] = logit;
      if (report.gates != nullptr) report.gates[sample * report.gates_pitch + channel] = logit > 0 ? 1 : 0;
    }
    writer.add(channel, logit > 0);
  }
  writer.finish();
  if (report.open != nullptr && t == 0) report.open[sample * report.open_pitch] = mask.count[sample];
}

__global__ void __launch_bounds__(kGateThreads)
    means_of(PooledSums pooled, float factor, std::int64_t elements, std::int64_t channels, float* means) {
  const std::int64_t i = std::int64_t{simt::block().x} * kGateThreads + simt::thread().x;
  if (i < elements) means[i] = pooled_mean(pooled, factor, i / channels, channels, i % channels);
}

struct ListStorage {
  unsigned counts[kGateWarps];
};

__global__ void __launch_bounds__(kGateThreads) list(const float* values, GateMask mask) {
  auto& s = simt::shared<ListStorage>();
  const std::int64_t sample = simt::block().x;
  const auto channels = static_cast<unsigned>(mask.channels);
  MaskWriter writer{mask, sample, s.counts};
  for (unsigned first = 0; first < channels; first += kGateThreads) {
    const unsigned channel = first + simt::thread().x;
    writer.add(channel, channel < channels && values[sample * channels + channel] > 0);
  }
  writer.finish();
}

__global__ void __launch_bounds__(kGateThreads)
    draw(unsigned channels, const float* logits, BinaryConcrete distribution, float* gate, float* slope, bool listed,
         GateMask mask) {
  auto& s = simt::shared<ListStorage>();
  const std::int64_t sample = simt::block().x;
  MaskWriter writer{mask, sample, s.counts};
  for (unsigned first = 0; first < channels; first += kGateThreads) {
    const unsigned channel = first + simt::thread().x;
    bool on = false;
    if (channel < channels) {
      const std::int64_t i = sample * channels + channel;
      auto y = static_cast<double>(logits[i]);
      if (distribution.noise > 0) {
        const auto u = static_cast<double>(uniform_open(
            philox_bits(distribution.seed, distribution.stream, distribution.first + static_cast<std::uint64_t>(i))));
        y += distribution.noise * (std::log(u) - std::log1p(-u));
      }
      y /= distribution.temperature;
      on = y > 0;
      // s (1 - s), without the cancellation of 1 - s.
      const float e = std::exp(-std::fabs(static_cast<float>(y)));
      gate[i] = on ? 1 : 0;
      slope[i] = e / ((1 + e) * (1 + e)) / static_cast<float>(distribution.temperature);
    }
    if (listed) writer.add(channel, on);
  }
  if (listed) writer.finish();
}

}  // namespace

void infer_gates(const Launch& launch, const PooledSums& pooled, const GateLayers& layers, const GateMask& mask,
                 const GateReport& report) {
  simt::launch_with_tail<GateStorage>(static_cast<std::size_t>(layers.inputs + layers.hidden) * sizeof(float), infer,
                                      {static_cast<unsigned>(mask.batch)}, {kGateThreads}, launch.stream, pooled,
                                      static_cast<float>(pooled.factor), layers, mask, report);
}

void pooled_means(const Launch& launch, const PooledSums& pooled, std::int64_t batch, std::int64_t channels,
                  float* means) {
  const std::int64_t elements = batch * channels;
  simt::launch(means_of, {static_cast<unsigned>((elements + kGateThreads - 1) / kGateThreads)}, {kGateThreads},
               launch.stream, pooled, static_cast<float>(pooled.factor), elements, channels, means);
}

void list_gates(const Launch& launch, const float* values, const GateMask& mask) {
  simt::launch<ListStorage>(list, {static_cast<unsigned>(mask.batch)}, {kGateThreads}, launch.stream, values, mask);
}

void binary_concrete(const Launch& launch, std::int64_t batch, std::int64_t channels, const float* logits,
                     const BinaryConcrete& distribution, float* gate, float* slope, const GateMask* mask) {
  simt::launch<ListStorage>(draw, {static_cast<unsigned>(batch)}, {kGateThreads}, launch.stream,
                            static_cast<unsigned>(channels), logits, distribution, gate, slope, mask != nullptr,
                            mask != nullptr ? *mask : GateMask{});
}

}  // namespace bsg::kernels::device
