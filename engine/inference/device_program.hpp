// An inference graph as kernels of a device that is not the CPU. A batch goes through them step by step: activations
// lie channels last, those of a gated convolution compacted to each sample's open channels. Gates are decided, listed
// and read on the device, so that the host queues all kernels without waiting for one.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include "engine/core/precision.hpp"
#include "engine/core/tensor.hpp"
#include "engine/inference/graph.hpp"
#include "engine/inference/memory_plan.hpp"
#include "engine/inference/plan.hpp"
#include "kernels/gate/gate_device.hpp"
#include "kernels/gated_conv/gated_conv_device.hpp"
#include "kernels/pool2d/adaptive_average_pool2d.hpp"
#include "kernels/pool2d/pool2d.hpp"
#include "kernels/resize/resize.hpp"
#include "kernels/shortcut/shortcut_device.hpp"

namespace bsg::inference {

// What a run reads and writes, in the memory of a batch.
struct DeviceBatch {
  std::int64_t samples = 0;
  std::byte* image = nullptr;     // [samples][height][width][channels] of the precision's type
  float* upload = nullptr;        // [samples][channels][height][width]: room for images that come from the host
  float* logits = nullptr;        // [samples][classes], or [samples][height][width][classes]
  std::int32_t* open = nullptr;   // [samples][gating modules]
  std::uint8_t* gates = nullptr;  // [samples][gates of all modules], 0 or 1
};

class DeviceProgram {
 public:
  // Lays the constants out on context's device. The context outlives the program. Throws ShapeError, naming the layer's
  // extents, where the device's kernels have no room for it.
  DeviceProgram(Context& context, const Graph& graph, Precision precision);

  // Of all buffers for `samples`, from 1 to max_samples(); they share one block of memory, aligned to 256 bytes, whose
  // contents need no preparation.
  MemoryPlan plan_buffers(std::int64_t samples) const;
  DeviceBatch batch(const MemoryPlan& plan, std::int64_t samples, std::byte* memory) const;

  // Queues the kernels: from batch's image to its logits, open and gates. Does nothing else, so that it can be
  // captured.
  void run(const kernels::Launch& launch, const MemoryPlan& plan, std::int64_t samples, std::byte* memory,
           Execution execution) const;

  std::size_t constant_bytes() const { return constant_bytes_; }
  std::int64_t all_gates() const { return first_gate_.back(); }
  std::int64_t modules() const { return static_cast<std::int64_t>(masks_.size()); }
  std::int64_t max_samples() const { return max_samples_; }
  Precision precision() const { return precision_; }

 private:
  // Buffers are numbers into lives_.
  struct Buffer {
    std::int64_t bytes = 0;  // of a sample
    int first = 0, last = 0;
  };
  struct Mask {
    std::int64_t channels;
    int list, count, bits;
  };
  // By Execution.
  template <class T>
  using ByExecution = std::array<T, 2>;
  static std::size_t number(Execution execution) { return static_cast<std::size_t>(execution); }

  struct Variant {
    kernels::device::ConvPlan plan;
    Tensor weight;  // u8, of lay_out_weights
  };
  struct Convolve {
    int x, y, residual, sums;     // residual, sums < 0: none
    int input_gate, output_gate;  // < 0: none
    bool relu;
    ByExecution<Variant> variant;
    Tensor bias;
  };
  // The shortcut of a block that changes the shape.
  struct Shortcut {
    int x, y;
    kernels::device::OptionAShape shape;  // of one sample
  };
  struct MaxPool {
    int x, y, sums;              // sums < 0: none
    kernels::Pool2dShape shape;  // of one sample
  };
  struct AdaptivePool {
    int x, y;
    kernels::AdaptivePoolShape shape;  // of one sample
  };
  // x resized to y's size.
  struct Resize {
    int x, y;
    kernels::ResizeShape shape;  // of one sample
  };
  // Channels first and following of y.
  struct Place {
    int x, y;
    std::int64_t pixels, channels, first, y_channels;
  };
  struct ScorePixels {
    int x, wide;                 // wide: x in f32; < 0: it is
    kernels::ResizeShape shape;  // of one sample
  };
  // Partial sums of a value's planes.
  struct Mean {
    int sums;
    std::int64_t channels;
    ByExecution<std::int64_t> tiles;
    double factor;
  };
  struct Decide {
    int gate;
    Mean mean;
    std::int64_t hidden, outputs;
    Tensor weight1, bias1, weight2, bias2;
  };
  struct Classify {
    Mean mean;
    int means;
    std::int64_t outputs;
    Tensor weight, bias;  // [outputs][inputs]
  };
  using Step = std::variant<Convolve, Shortcut, MaxPool, AdaptivePool, Resize, Place, ScorePixels, Decide, Classify>;
  class Builder;
  class Runner;

  const kernels::Backend& backend_;
  const Precision precision_;
  std::vector<Step> steps_;
  std::vector<Buffer> buffers_;
  std::vector<Mask> masks_;                     // by gating module
  std::vector<std::int64_t> first_gate_ = {0};  // of each module among all, and their number
  int image_ = 0, upload_ = 0, logits_ = 0, open_ = 0, gates_ = 0;
  std::int64_t max_samples_ = 0;
  std::size_t constant_bytes_ = 0;
};

}  // namespace bsg::inference
