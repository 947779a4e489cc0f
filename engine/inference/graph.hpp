// A trained network as an inference plan sees it: what is computed for one sample, in order, with batch norm folded
// into weights and biases. Networks describe themselves by it (nn::Network::lower); no device and no memory is decided
// here.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "engine/nn/layers.hpp"

namespace bsg::inference {

// Activations of one sample, [channels, height, width].
struct Value {
  int index = -1;
  bool operator==(const Value&) const = default;
};

// The decisions of one gating module for one sample.
struct Gate {
  int index = -1;
  bool operator==(const Gate&) const = default;
};

struct ConvolutionOptions {
  // Channels of the result that are computed: this convolution produces them, and only convolutions with the same gate
  // on their input read them.
  std::optional<Gate> output_gate;
  std::optional<Gate> input_gate;
  // Added before the ReLU. With fewer channels than the result, it goes to the middle ones; with a stride, its pixels
  // (i * stride, j * stride) are taken (ResNet's option-A shortcut).
  std::optional<Value> residual;
  std::int64_t residual_stride = 1;
  bool relu = false;
};

struct MaxPoolOptions {
  std::int64_t kernel = 2, stride = 2, padding = 0;
};

class Graph {
 public:
  struct ValueShape {
    std::int64_t channels = 0, height = 0, width = 0;
  };
  struct Convolution {
    Value x, y;
    std::int64_t kernel_height = 0, kernel_width = 0, stride = 1, padding = 0, dilation = 1;
    std::vector<float> weight;  // [outputs][inputs][kernel_height][kernel_width]
    std::vector<float> bias;    // [outputs]
    ConvolutionOptions options;
  };
  // The largest element of each window (kernels/pool2d/pool2d.hpp).
  struct MaxPool {
    Value x, y;
    MaxPoolOptions options;
  };
  // bias [outputs]; weight [inputs][outputs], the transpose of nn::Linear's.
  struct Product {
    std::int64_t inputs = 0, outputs = 0;
    std::vector<float> weight, bias;
  };
  // Logits of a gating module: output(relu(hidden(mean over the planes of x))).
  struct Decision {
    Value x;
    Gate gate;
    Product hidden, output;
  };
  // Class scores: product(mean over the planes of x).
  struct Classifier {
    Value x;
    Product product;
  };
  using Node = std::variant<Convolution, MaxPool, Decision, Classifier>;

  // All of these throw ShapeError, naming the node and what was found, for parts that do not fit together. Weights are
  // copied: training the network later does not change the graph.

  // The network's input, normalised; called first, once.
  Value image(std::int64_t channels, std::int64_t height, std::int64_t width);
  // norm's running statistics are folded in.
  Value convolution(Value x, const nn::Conv2d& conv, const nn::BatchNorm& norm, const ConvolutionOptions& options = {});
  // x is not gated; the padding is at most half the kernel.
  Value max_pool(Value x, const MaxPoolOptions& options);
  // A channel of the gated convolution is on where fc2(relu(norm(fc1(mean over the planes of x)))) > 0.
  Gate gate(Value x, const nn::Linear& fc1, const nn::BatchNorm& norm, const nn::Linear& fc2);
  // The network's output; called last, once.
  void classifier(Value x, const nn::Linear& linear);

  const ValueShape& shape(Value value) const { return values_[static_cast<std::size_t>(value.index)]; }
  std::size_t values() const { return values_.size(); }
  // Value 0 is the image.
  const std::vector<Node>& nodes() const { return nodes_; }
  // Gates decided by each module, in the order of gate().
  const std::vector<std::int64_t>& gates() const { return gates_; }
  std::int64_t classes() const { return classes_; }

 private:
  void check_value(const char* node, Value value) const;
  void check_product(const char* node, Value x, const nn::Linear& linear) const;
  Value add_value(const ValueShape& shape, std::optional<Gate> gate);

  std::vector<ValueShape> values_;
  std::vector<std::optional<Gate>> value_gates_;  // of the convolution that produced the value
  std::vector<Node> nodes_;
  std::vector<std::int64_t> gates_;
  std::int64_t classes_ = 0;
};

}  // namespace bsg::inference
