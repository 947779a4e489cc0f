#include "engine/autograd/tape.hpp"

#include <utility>

#include "engine/core/error.hpp"

namespace bsg {

const Tensor& Saved::get(std::string_view op) const {
  if (tensor_.version() != version_)
    throw_error<Error>("{}: a tensor of shape {} that backward needs was overwritten in place after the forward pass",
                       op, tensor_.shape().str());
  return tensor_;
}

Context& BackwardPass::context() const { return tape_.context(); }

GradTarget BackwardPass::target(int input, const Shape& shape, DType dtype) {
  Tensor& gradient = tape_.gradients_[static_cast<std::size_t>(slots_[static_cast<std::size_t>(input)])];
  if (!gradient.defined()) {
    gradient = Tensor::empty(context(), shape, dtype);
    return {gradient, false};
  }
  // A gradient that was handed over without a copy may still be another slot's: it is not ours to add to.
  if (!gradient.unique()) gradient = gradient.clone(context());
  return {gradient, true};
}

void BackwardPass::give(int input, Tensor gradient) {
  const int slot = slots_[static_cast<std::size_t>(input)];
  if (slot < 0) return;
  Tensor& held = tape_.gradients_[static_cast<std::size_t>(slot)];
  if (!held.defined()) {
    held = std::move(gradient);
    return;
  }
  if (!held.unique()) held = held.clone(context());
  accumulate(context(), held, gradient);
}

int Tape::new_slot() {
  gradients_.emplace_back();
  return static_cast<int>(gradients_.size()) - 1;
}

Var Tape::leaf(Parameter& parameter) {
  for (const Leaf& leaf : leaves_)
    if (leaf.parameter == &parameter) return {parameter.value, this, leaf.slot};
  leaves_.push_back({new_slot(), &parameter});
  return {parameter.value, this, leaves_.back().slot};
}

Var Tape::input(Tensor value) {
  inputs_.push_back(new_slot());
  return {std::move(value), this, inputs_.back()};
}

Var Tape::append(std::string_view op, Tensor output, std::vector<int> slots, Backward backward) {
  const int slot = new_slot();
  records_.push_back({op, slot, std::move(slots), std::move(backward)});
  return {std::move(output), this, slot};
}

void Tape::backward(const Var& loss) {
  if (loss.value.numel() != 1)
    throw_error<ShapeError>("backward: the loss has shape {}, one element is needed", loss.shape().str());
  backward(loss, Tensor::full(context_, loss.shape(), 1.0, loss.dtype()));
}

void Tape::backward(const Var& output, Tensor gradient) {
  if (output.tape != this) throw_error<ShapeError>("backward: the output was not recorded on this tape");
  if (gradient.shape() != output.shape() || gradient.dtype() != output.dtype())
    throw_error<ShapeError>("backward: gradient {} {} for an output {} {}", to_string(gradient.dtype()),
                            gradient.shape().str(), to_string(output.dtype()), output.shape().str());
  gradients_[static_cast<std::size_t>(output.slot)] = std::move(gradient);
  while (!records_.empty()) {
    const Record record = std::move(records_.back());
    records_.pop_back();
    const Tensor output_gradient = std::exchange(gradients_[static_cast<std::size_t>(record.output)], {});
    if (!output_gradient.defined()) continue;
    BackwardPass pass(*this, output_gradient, record.slots);
    record.backward(pass);
  }
  for (const Leaf& leaf : leaves_) {
    Tensor& collected = gradients_[static_cast<std::size_t>(leaf.slot)];
    if (!collected.defined()) continue;
    if (leaf.parameter->grad.defined()) {
      accumulate(context_, leaf.parameter->grad, collected);
    } else {
      leaf.parameter->grad = collected.unique() ? std::move(collected) : collected.clone(context_);
    }
    collected = {};
  }
  leaves_.clear();
}

Tensor Tape::gradient(const Var& input) const {
  if (input.tape != this) throw_error<Error>("gradient: the variable is not on this tape");
  return gradients_[static_cast<std::size_t>(input.slot)];
}

void Tape::clear() {
  records_.clear();
  gradients_.clear();
  leaves_.clear();
  inputs_.clear();
}

bool any_tracked(std::initializer_list<const Var*> inputs) {
  for (const Var* input : inputs)
    if (input != nullptr && input->tracked()) return true;
  return false;
}

Var record(std::string_view op, Tensor output, std::span<const Var* const> inputs, Tape::Backward backward) {
  Tape* tape = nullptr;
  std::vector<int> slots;
  slots.reserve(inputs.size());
  for (const Var* input : inputs) {
    slots.push_back(input != nullptr ? input->slot : -1);
    if (input == nullptr || !input->tracked()) continue;
    if (tape != nullptr && tape != input->tape) throw_error<Error>("{}: the inputs are on different tapes", op);
    tape = input->tape;
  }
  if (tape == nullptr) return Var(std::move(output));
  return tape->append(op, std::move(output), std::move(slots), std::move(backward));
}

}  // namespace bsg
