// Reverse-mode differentiation on a linear tape. Ops append records in execution order, which already is the order that
// backward needs reversed; backward takes records off the end and frees what they saved, so activations are released on
// the way.
#pragma once

#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/core/tensor.hpp"

namespace bsg {

class Tape;

// A tensor, and where its gradient will be collected. Untracked (tape == nullptr): a constant.
struct Var {
  Tensor value;
  Tape* tape = nullptr;
  int slot = -1;

  Var() = default;
  Var(Tensor tensor) : value(std::move(tensor)) {}  // NOLINT(google-explicit-constructor): a tensor is a constant
  Var(Tensor tensor, Tape* on, int at) : value(std::move(tensor)), tape(on), slot(at) {}

  bool tracked() const { return tape != nullptr; }
  const Shape& shape() const { return value.shape(); }
  DType dtype() const { return value.dtype(); }
};

// A named value with a gradient, at a stable address. Optimizers write value in place and call bump_version().
struct Parameter {
  std::string name;
  Tensor value;
  Tensor grad;          // undefined until the first backward
  bool gating = false;  // belongs to a gating module: no weight decay

  Parameter() = default;
  Parameter(const Parameter&) = delete;
  Parameter& operator=(const Parameter&) = delete;
};

// A tensor that a record needs in its backward pass. get() throws Error when it was overwritten in between.
class Saved {
 public:
  Saved() = default;
  explicit Saved(Tensor tensor) : tensor_(std::move(tensor)), version_(tensor_.version()) {}
  const Tensor& get(std::string_view op) const;

 private:
  Tensor tensor_;
  std::uint64_t version_ = 0;
};

// Where a backward function puts one input's gradient: the kernel writes it, or adds to what is there when accumulate
// is set.
struct GradTarget {
  Tensor tensor;
  bool accumulate = false;
};

// What a record's backward function sees: the gradient of its output, and a place for the gradient of each input.
class BackwardPass {
 public:
  BackwardPass(Tape& tape, const Tensor& output, const std::vector<int>& slots)
      : tape_(tape), output_(output), slots_(slots) {}

  Context& context() const;
  // Gradient of the record's output; the same shape and dtype as the output.
  const Tensor& output() const { return output_; }
  // Whether input i (in the order given to record) needs a gradient.
  bool wants(int input) const { return slots_[static_cast<std::size_t>(input)] >= 0; }
  // The tensor for input i's gradient; the caller must write every element (or add, when accumulate is set).
  GradTarget target(int input, const Shape& shape, DType dtype);
  // Hands over a complete gradient; the tape keeps it, or adds it to what is there. It may be output() itself: no copy
  // is made.
  void give(int input, Tensor gradient);

 private:
  Tape& tape_;
  const Tensor& output_;
  const std::vector<int>& slots_;
};

class Tape {
 public:
  using Backward = std::function<void(BackwardPass&)>;

  explicit Tape(Context& context) : context_(context) {}
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  Context& context() const { return context_; }

  // A variable whose gradient backward adds to parameter.grad.
  Var leaf(Parameter& parameter);
  // A variable whose gradient backward keeps, for gradient(): inputs of a gradient check.
  Var input(Tensor value);

  // Appends a record and returns its output, tracked. Ops call the free function record() below.
  Var append(std::string_view op, Tensor output, std::vector<int> slots, Backward backward);

  // Runs the tape from a scalar loss, then clears it. Throws ShapeError when the loss is not one element or not of this
  // tape.
  void backward(const Var& loss);
  // As above from any output, with its gradient given.
  void backward(const Var& output, Tensor gradient);
  // The gradient of an input(), after backward; undefined when it got none.
  Tensor gradient(const Var& input) const;

  std::size_t size() const { return records_.size(); }
  void clear();

 private:
  friend class BackwardPass;
  struct Record {
    std::string_view op;
    int output;
    std::vector<int> slots;
    Backward backward;
  };
  struct Leaf {
    int slot;
    Parameter* parameter;
  };

  int new_slot();

  Context& context_;
  std::vector<Record> records_;
  std::vector<Tensor> gradients_;  // by slot
  std::vector<Leaf> leaves_;
  std::vector<int> inputs_;
};

// Adds two tensors of one shape: target += source, on f32, f64 or bf16.
void accumulate(Context& context, Tensor& target, const Tensor& source);

// What an op ends with: a constant when no input is tracked, else a record on their tape. `op` must outlive the tape (a
// literal). Throws Error when inputs are on different tapes. An input may be an undefined Var (an absent bias).
Var record(std::string_view op, Tensor output, std::span<const Var* const> inputs, Tape::Backward backward);
inline Var record(std::string_view op, Tensor output, std::initializer_list<const Var*> inputs,
                  Tape::Backward backward) {
  return record(op, std::move(output), std::span(inputs.begin(), inputs.size()), std::move(backward));
}

// Whether any of the inputs is tracked: an op that would save or compute more for backward asks first.
bool any_tracked(std::initializer_list<const Var*> inputs);

}  // namespace bsg
