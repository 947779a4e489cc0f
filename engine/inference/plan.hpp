// The inference plan of a network: made once, then run on any number of batches. Batch norm is folded, constants and
// buffers are laid out; a run allocates its results and nothing else. Gates are decided before the convolutions that
// they gate, and a channel that is off is neither computed nor read.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/core/precision.hpp"
#include "engine/core/tensor.hpp"
#include "engine/nn/network.hpp"

namespace bsg::inference {

// dense: every channel is computed, and multiplied by its gate. gated: channels that are off are skipped. Both use the
// same kernels, and give the same result.
enum class Execution { dense, gated };

// On the plan's device.
struct Output {
  Tensor logits;  // f32 [N, classes], or of a network for segmentation [N, classes, height, width]
  Tensor open;    // i32 [N, gated layers]: gates that are on, in the order of MacModel::layers
  Tensor gates;   // u8 [N, gates of all layers], 0 or 1; undefined unless asked for

  // The same on context's device; waits for the run where they lie on another one.
  Output to(Context& context) const;
};

struct RunOptions {
  Execution execution = Execution::gated;
  bool gates = false;  // return Output::gates
};

// On the CPU a sample goes through the whole network while its activations sit in a core's cache, threads take
// different samples; where there are fewer samples than threads, all threads share each sample's channels. Results do
// not depend on the number of threads, to the last bit.
//
// On other devices a batch goes through kernel by kernel. A run queues work and returns; nothing in it waits for the
// device. Memory is that of the largest batch so far. From its second run on, a size of batch is one graph of launches,
// recorded once: sizes that come back are cheap to start, and cost a graph each to keep.
class Plan {
 public:
  // For images of the size that the network was made for, with its weights and running statistics as they are now, on
  // whichever device they are. precision: what activations are stored and multiplied as; results and gates' decisions
  // are f32. The context outlives the plan. Throws ShapeError when the network describes itself wrongly or the device
  // has no room for a layer, ConfigError for a precision that the device does not compute.
  Plan(Context& context, const nn::Network& network, Precision precision = Precision::f32);
  ~Plan();
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  // images f32 [N, channels, height, width], normalised, on any device (on the plan's: of its context); nobody changes
  // them until the results were read or the next run. One run at a time. Throws ShapeError for other images.
  Output run(const Tensor& images, const RunOptions& options = {});

  // Bytes that the plan holds: constants and buffers.
  std::size_t bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bsg::inference
