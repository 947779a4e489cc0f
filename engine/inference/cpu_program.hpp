// An inference graph as steps on planes in one sample's memory. A sample goes through all steps while its activations
// sit in a core's cache; threads take different samples, or parts of each step's channels.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "engine/core/tensor.hpp"
#include "engine/inference/graph.hpp"
#include "engine/inference/storage.hpp"
#include "kernels/gate/gate.hpp"
#include "kernels/gated_conv/gated_conv.hpp"
#include "kernels/pool2d/pool_planes.hpp"
#include "kernels/resize/resize_planes.hpp"

namespace bsg::inference {

// One sample, and where its results go; open and gates may be null.
struct Sample {
  const float* image = nullptr;   // [channels][height][width]
  bool skip = true;               // channels that are off; otherwise they are computed and multiplied by zero
  float* logits = nullptr;        // [classes], or [classes][height][width]
  std::int32_t* open = nullptr;   // [gating modules]: gates that are on
  std::uint8_t* gates = nullptr;  // of all modules, 0 or 1
};

// What one thread works in. Threads that share a sample share planes and sums; the rest is the thread's own.
struct Worker {
  float* planes = nullptr;             // plane_elements() that were zero before the first sample
  float* sums = nullptr;               // sum_elements()
  float* scratch = nullptr;            // scratch_elements()
  float* masks = nullptr;              // all_gates()
  std::int32_t* open = nullptr;        // all_gates(): each module's list
  std::int64_t* open_count = nullptr;  // modules()
  int part = 0, parts = 1;             // the thread's share of each step's channels
};

class CpuProgram {
 public:
  explicit CpuProgram(const Graph& graph);

  // Calls barrier() after each step that others read from: it returns when all workers of the sample have called it.
  template <class Barrier>
  void run(const Sample& sample, const Worker& worker, const Barrier& barrier) const {
    for (const Step& step : steps_) {
      std::visit([&](const auto& s) { execute(s, sample, worker); }, step);
      if (!std::holds_alternative<Decide>(step)) barrier();
    }
  }

  // Of weights and biases.
  std::size_t constant_bytes() const;
  std::int64_t plane_elements() const { return storage_.size; }
  std::int64_t sum_elements() const { return sum_elements_; }
  std::int64_t scratch_elements() const { return scratch_elements_; }
  std::int64_t all_gates() const { return first_gate_.back(); }
  std::int64_t modules() const { return static_cast<std::int64_t>(first_gate_.size()) - 1; }

 private:
  // The mean over the planes of a value, from the sums that its convolution left.
  struct Mean {
    std::int64_t sums = 0, channels = 0;
    float factor = 0;
  };
  struct Load {
    int to;
    kernels::PlaneLayout layout;
  };
  struct Split {
    int from, to;
    kernels::PlaneLayout from_layout, to_layout;
  };
  struct Convolve {
    int x, y, residual;           // residual < 0: none
    int input_gate, output_gate;  // < 0: none
    std::int64_t inputs, outputs;
    std::int64_t residual_first, residual_channels;
    bool relu;
    std::int64_t sums;  // where the sums of y go; < 0: nobody asks
    std::vector<float> weight, bias;
    kernels::cpu::ConvGeometry geometry;
  };
  struct MaxPool {
    int x, y;
    kernels::PlaneLayout x_layout, y_layout;
    kernels::cpu::PoolWindow window;
    std::int64_t sums;  // as above
  };
  struct AdaptivePool {
    int x, y;
    kernels::PlaneLayout x_layout, y_layout;
  };
  // One part of a concatenation.
  struct Place {
    int x, y;
    std::int64_t first;  // channel of y
    kernels::PlaneLayout x_layout, y_layout;
    kernels::cpu::BilinearPlanes resize;
  };
  struct ScorePixels {
    int x;
    kernels::PlaneLayout layout;
    kernels::cpu::BilinearPlanes resize;
  };
  struct Decide {
    int gate;
    Mean mean;
    Graph::Product hidden, output;
  };
  struct Classify {
    Mean mean;
    Graph::Product product;
  };
  using Step = std::variant<Load, Split, Convolve, MaxPool, AdaptivePool, Place, ScorePixels, Decide, Classify>;
  class Builder;

  void execute(const Load& step, const Sample& sample, const Worker& worker) const;
  void execute(const Split& step, const Sample& sample, const Worker& worker) const;
  void execute(const Convolve& step, const Sample& sample, const Worker& worker) const;
  void execute(const MaxPool& step, const Sample& sample, const Worker& worker) const;
  void execute(const AdaptivePool& step, const Sample& sample, const Worker& worker) const;
  void execute(const Place& step, const Sample& sample, const Worker& worker) const;
  void execute(const ScorePixels& step, const Sample& sample, const Worker& worker) const;
  void execute(const Decide& step, const Sample& sample, const Worker& worker) const;
  void execute(const Classify& step, const Sample& sample, const Worker& worker) const;
  float* planes_of(int value, const Worker& worker) const {
    return worker.planes + storage_.offset[static_cast<std::size_t>(value)];
  }

  std::vector<Step> steps_;
  Storage storage_;
  std::vector<std::int64_t> first_gate_ = {0};  // of each module among all, and their number
  std::vector<std::int32_t> all_;               // 0, 1, 2, ...: the list of a convolution without gate
  std::int64_t sum_elements_ = 0, scratch_elements_ = 0;
};

}  // namespace bsg::inference
