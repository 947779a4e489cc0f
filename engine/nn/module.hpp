// Networks are trees of modules. A module owns its parameters and buffers at stable addresses and gives them names; a
// tree's names are the paths through it, as in PyTorch ("layer1.0.conv1.weight"), so that weights are exchanged by
// name.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/autograd/tape.hpp"

namespace bsg::nn {

// How one forward pass runs: what it records on, and whether batch statistics and gate noise are used.
struct Pass {
  Context& context;
  Tape* tape = nullptr;  // null: nothing is recorded
  bool training = false;

  // What a network is given, as the type that it computes on: bf16 where the context's precision is, else as it is.
  Var activations(const Var& input) const;
  Var use(Parameter& parameter) const { return tape != nullptr ? tape->leaf(parameter) : Var(parameter.value); }
};

class Module {
 public:
  virtual ~Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  // This module's and its children's, in the order of definition; Parameter::name is the full path once the root called
  // name_tree.
  std::vector<Parameter*> parameters();
  // Parameters and buffers (running statistics) with their full paths: what a checkpoint holds.
  std::vector<std::pair<std::string, Tensor*>> state();
  // Moves all parameters and buffers to context's device; gradients are dropped.
  void move(Context& context);
  // Converts all parameters and buffers; for checks in double precision.
  void convert(Context& context, DType dtype);

 protected:
  Module() = default;
  Parameter& add_parameter(const std::string& name, Tensor value);
  Tensor& add_buffer(const std::string& name, Tensor value);
  template <class M>
  M& add_module(const std::string& name, std::unique_ptr<M> module) {
    M& reference = *module;
    children_.emplace_back(name, std::move(module));
    return reference;
  }
  // Gives every parameter of the tree its full path; the root calls it once it is built.
  void name_tree(const std::string& prefix = "");

 private:
  void collect(const std::string& prefix, std::vector<std::pair<std::string, Tensor*>>& into);

  std::vector<std::pair<std::string, std::unique_ptr<Parameter>>> parameters_;
  std::vector<std::pair<std::string, std::unique_ptr<Tensor>>> buffers_;
  std::vector<std::pair<std::string, std::unique_ptr<Module>>> children_;
};

}  // namespace bsg::nn
