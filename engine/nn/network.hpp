// What training and evaluation know of a network: images in, class scores out, and what its gates did.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/nn/module.hpp"

namespace bsg::inference {
class Graph;
}

namespace bsg::nn {

// One gated layer's decisions in a forward pass.
struct GateTrace {
  Var logits;  // [N, gates]
  Var gate;    // [N, gates], 0 or 1
};

// A layer with gates, and what one open gate costs: the multiply-accumulates of its channel in the convolution that
// produces it and in the one that reads it. Where a convolution reads one gated layer and produces the next, each pair
// of open gates costs.
struct GatedLayer {
  std::string name;  // "layer1.0"
  int gates = 0;
  std::int64_t macs_per_gate = 0;
  std::int64_t macs_per_pair = 0;  // with an open gate of the layer before this one
};

// Multiply-accumulates for one image. Convolutions, linear layers and gating modules count; pooling, batch norm (folded
// at inference) and element-wise work do not. Padding counts, as is usual.
struct MacModel {
  std::int64_t dense = 0;   // of the same network without gates: the reference for shares
  std::int64_t fixed = 0;   // always needed: stem, classifier, shortcuts, and the gating modules themselves
  std::int64_t gating = 0;  // the gating modules' part of fixed
  std::vector<GatedLayer> layers;

  // What always runs, in a network with gates or without.
  void add_fixed(std::int64_t count);
  // A gated layer and its gating module's cost.
  void add_layer(const GatedLayer& layer, std::int64_t gating_macs);

  // fixed plus the open gates' cost; open[i] gates are on in layer i. A network without gates needs `dense`.
  std::int64_t needed(const std::vector<std::int64_t>& open) const;
  std::int64_t gates() const;
};

// What a network says of: the whole image, or each of its pixels.
enum class Task { classification, segmentation };

// What a loss is taken of, f32 whatever the precision of the context: [N, classes], or [N, classes, H, W] for the
// images' H and W.
struct Scores {
  Var logits;
  Var auxiliary;  // of the same shape, from an earlier layer; undefined without an auxiliary head, and outside training
};

class Network : public Module {
 public:
  virtual Task task() const { return Task::classification; }
  // images [N, 3, H, W] normalised -> logits, as Scores. One GateTrace per gated layer is appended to traces.
  virtual Var forward(const Pass& pass, const Var& images, std::vector<GateTrace>& traces) = 0;
  // The same with what training alone asks for.
  virtual Scores scores(const Pass& pass, const Var& images, std::vector<GateTrace>& traces) {
    return {forward(pass, images, traces), Var()};
  }
  // For images of the size that the network was made for.
  virtual const MacModel& macs() const = 0;
  // Adds the network to an empty graph, from the image to the classifier, with a gate for each of macs().layers in
  // their order: what inference plans are made from.
  virtual void lower(inference::Graph& graph) const = 0;
};

}  // namespace bsg::nn
