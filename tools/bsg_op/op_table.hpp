// The ops that bsg_op runs: what each takes, and how it is called. A new op of engine/ops is one more entry.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/autograd/tape.hpp"
#include "tools/bsg_op/attributes.hpp"

namespace bsg::tools {

struct InputSpec {
  enum class Role {
    value,     // differentiable
    list,      // any number of differentiable ones, at least one: NAME0, NAME1, ...
    constant,  // not differentiable
    state,     // not differentiable, changed by the op: written to the output when it was
  };

  std::string_view name;
  Role role = Role::value;
  bool optional = false;
  bool activation = false;  // may be bf16 on devices other than the CPU
};

// The tensors and attributes of one call.
struct OpCall {
  Attributes attributes;
  std::map<std::string, Var, std::less<>> inputs = {};     // roles value, list and constant
  std::map<std::string, Tensor, std::less<>> states = {};  // role state

  // Undefined for an optional input that is absent.
  Var input(std::string_view name) const;
  std::vector<Var> list(std::string_view name) const;
  Tensor& state(std::string_view name) { return states.find(name)->second; }
};

struct OpEntry {
  std::string_view name;
  std::string_view summary;
  std::vector<InputSpec> inputs;
  std::vector<AttributeSpec> attributes;
  std::function<Var(Context&, OpCall&)> run;
};

// In alphabetical order.
std::vector<OpEntry> op_table();

}  // namespace bsg::tools
