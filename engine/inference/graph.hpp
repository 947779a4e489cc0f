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
  // Of a sample's scores: a class for the image, or for each of its pixels.
  struct OutputShape {
    std::int64_t classes = 0, height = 0, width = 0;  // no extents for a class for the image
    std::int64_t numel() const { return height > 0 ? classes * height * width : classes; }
    // [samples, classes], or [samples, classes, height, width]
    Shape batch(std::int64_t samples) const {
      return height > 0 ? Shape{samples, classes, height, width} : Shape{samples, classes};
    }
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
  // The mean of each of y's pixels' windows (kernels/pool2d/adaptive_average_pool2d.hpp).
  struct AdaptiveAveragePool {
    Value x, y;
  };
  // The channels of all parts one after the other; a part of another size than y is resized (kernels/resize/resize.hpp,
  // without align_corners).
  struct Concat {
    std::vector<Value> parts;
    Value y;
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
  // Scores of the image's pixels: x resized as in Concat to the image's size.
  struct PixelScores {
    Value x;
  };
  using Node = std::variant<Convolution, MaxPool, AdaptiveAveragePool, Concat, Decision, Classifier, PixelScores>;

  // All of these throw ShapeError, naming the node and what was found, for parts that do not fit together. Weights are
  // copied: training the network later does not change the graph.

  // The network's input, normalised; called first, once.
  Value image(std::int64_t channels, std::int64_t height, std::int64_t width);
  // norm's running statistics are folded in.
  Value convolution(Value x, const nn::Conv2d& conv, const nn::BatchNorm& norm, const ConvolutionOptions& options = {});
  // Without batch norm, with conv's bias or none.
  Value convolution(Value x, const nn::Conv2d& conv, const ConvolutionOptions& options = {});
  // x is not gated; the padding is at most half the kernel.
  Value max_pool(Value x, const MaxPoolOptions& options);
  // x is not gated.
  Value adaptive_average_pool(Value x, std::int64_t height, std::int64_t width);
  // No part is gated; the result has the first one's size.
  Value concat(const std::vector<Value>& parts);
  // A channel of the gated convolution is on where fc2(relu(norm(fc1(mean over the planes of x)))) > 0.
  Gate gate(Value x, const nn::Linear& fc1, const nn::BatchNorm& norm, const nn::Linear& fc2);
  // The network's output, one of these two; called last, once. A class for each channel of x, which is not gated.
  void classifier(Value x, const nn::Linear& linear);
  void pixel_scores(Value x);

  const ValueShape& shape(Value value) const { return values_[static_cast<std::size_t>(value.index)]; }
  std::size_t values() const { return values_.size(); }
  // Value 0 is the image.
  const std::vector<Node>& nodes() const { return nodes_; }
  // Gates decided by each module, in the order of gate().
  const std::vector<std::int64_t>& gates() const { return gates_; }
  std::int64_t classes() const { return classes_; }
  OutputShape output() const;

 private:
  void check_value(const char* node, Value value) const;
  // Also that it is not gated.
  void check_open_value(const char* node, Value value) const;
  void check_product(const char* node, Value x, const nn::Linear& linear) const;
  void check_first_output(const char* node) const;
  Value add_convolution(Value x, const nn::Conv2d& conv, const nn::BatchNorm* norm, const ConvolutionOptions& options);
  // summed: means over its planes may be taken.
  Value add_value(const ValueShape& shape, std::optional<Gate> gate, bool summed);

  std::vector<ValueShape> values_;
  std::vector<std::optional<Gate>> value_gates_;  // of the convolution that produced the value
  std::vector<bool> value_summed_;
  std::vector<Node> nodes_;
  std::vector<std::int64_t> gates_;
  std::int64_t classes_ = 0;
  bool scores_pixels_ = false;
};

}  // namespace bsg::inference
