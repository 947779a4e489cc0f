#include "tools/bsg_op/run_op.hpp"

#include <set>

#include <fmt/format.h>

#include "engine/core/error.hpp"

namespace bsg::tools {
namespace {

using Role = InputSpec::Role;

constexpr std::string_view kGradient = "grad_output";

// The op's inputs, taken out of a file one by one.
class Reader {
 public:
  Reader(const OpEntry& op, const SafetensorsFile& file, const std::string& path) : op_(op), file_(file), path_(path) {}

  const Tensor* find(std::string_view name) {
    const Tensor* tensor = file_.find(name);
    if (tensor != nullptr) taken_.emplace(name);
    return tensor;
  }

  const Tensor& need(std::string_view name) {
    const Tensor* tensor = find(name);
    if (tensor == nullptr) fail("no tensor", name);
    return *tensor;
  }

  void check_all_taken() const {
    for (const auto& [name, tensor] : file_.tensors)
      if (!taken_.contains(name)) fail("unknown tensor", name);
  }

 private:
  [[noreturn]] void fail(std::string_view what, std::string_view name) const {
    throw_error<DataError>("{}: {} '{}'; {} takes {}, and {} (optional)", path_, what, name, op_.name,
                           describe_inputs(op_), kGradient);
  }

  const OpEntry& op_;
  const SafetensorsFile& file_;
  const std::string& path_;
  std::set<std::string, std::less<>> taken_;
};

bool is_floating(const Tensor& tensor) {
  return tensor.dtype() == DType::f32 || tensor.dtype() == DType::f64 || tensor.dtype() == DType::bf16;
}

}  // namespace

std::string describe_inputs(const OpEntry& op) {
  std::vector<std::string> names;
  for (const InputSpec& input : op.inputs) {
    const std::string name(input.name);
    names.push_back(input.role == Role::list ? name + "0, " + name + "1, ..."
                    : input.optional         ? name + " (optional)"
                                             : name);
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

NamedTensors run_op(Context& context, const OpEntry& op, const std::vector<std::string>& attributes,
                    const SafetensorsFile& file, const std::string& path, DType activations) {
  OpCall call{Attributes(op.name, op.attributes, attributes)};
  Reader reader(op, file, path);
  const Tensor* gradient = reader.find(kGradient);
  Tape tape(context);
  std::vector<std::string> differentiable;
  const auto as = [&](const Tensor& given, DType dtype) {
    const Tensor tensor = given.to(context);
    return dtype == DType::bf16 && tensor.dtype() == DType::f32 ? tensor.cast(context, dtype) : tensor;
  };
  const auto take = [&](const std::string& name, const Tensor& given, const InputSpec& input) {
    const Tensor tensor = as(given, input.activation ? activations : given.dtype());
    // Without a gradient to propagate nothing is recorded. Other types are left for the op to reject.
    const bool tracked = gradient != nullptr && input.role != Role::constant && is_floating(tensor);
    call.inputs.emplace(name, tracked ? tape.input(tensor) : Var(tensor));
    if (tracked) differentiable.push_back(name);
  };
  for (const InputSpec& input : op.inputs) {
    const std::string name(input.name);
    if (input.role == Role::state) {
      call.states.emplace(name, reader.need(name).clone(context));
    } else if (input.role == Role::list) {
      take(name + "0", reader.need(name + "0"), input);
      for (int i = 1; const Tensor* tensor = reader.find(name + std::to_string(i)); ++i)
        take(name + std::to_string(i), *tensor, input);
    } else if (!input.optional) {
      take(name, reader.need(name), input);
    } else if (const Tensor* tensor = reader.find(name)) {
      take(name, *tensor, input);
    }
  }
  reader.check_all_taken();

  std::map<std::string, std::uint64_t, std::less<>> before;
  for (const auto& [name, tensor] : call.states) before[name] = tensor.version();
  const Var y = op.run(context, call);
  NamedTensors result = {{"y", y.value}};
  for (const auto& [name, tensor] : call.states)
    if (tensor.version() != before[name]) result.emplace_back(name, tensor);
  if (gradient != nullptr) {
    tape.backward(y, as(*gradient, y.dtype()));
    for (const std::string& name : differentiable) {
      Tensor collected = tape.gradient(call.inputs.find(name)->second);
      if (!collected.defined()) throw_error<Error>("{}: {} got no gradient", op.name, name);
      result.emplace_back("grad_" + name, std::move(collected));
    }
  }
  return result;
}

}  // namespace bsg::tools
