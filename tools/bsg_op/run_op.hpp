#pragma once

#include <string>
#include <vector>

#include "engine/core/safetensors.hpp"
#include "tools/bsg_op/op_table.hpp"

namespace bsg::tools {

// "x, weight, bias (optional)": the tensors that an op takes.
std::string describe_inputs(const OpEntry& op);

// Runs `op` on the file's tensors, its activations in bf16 where `activations` says so. Returns its result y, the
// states that it changed under their own names and, when the file has a tensor grad_output (like y), grad_NAME for
// every differentiable input. Throws DataError, naming the file, for a tensor that the op needs and the file lacks, or
// that the op does not take; ConfigError for attributes (attributes.hpp); and what the op throws.
NamedTensors run_op(Context& context, const OpEntry& op, const std::vector<std::string>& attributes,
                    const SafetensorsFile& file, const std::string& path, DType activations = DType::f32);

}  // namespace bsg::tools
