#pragma once

#include <string_view>

#include "engine/core/error.hpp"
#include "engine/core/tensor.hpp"
#include "kernels/simt/number.hpp"

namespace bsg::ops {

// Calls run(float{}) or run(double{}), as the op's operands are; throws ShapeError for any other type.
template <class Run>
auto with_float_type(std::string_view op, DType dtype, Run&& run) {
  if (dtype == DType::f32) return run(float{});
  if (dtype == DType::f64) return run(double{});
  throw_error<ShapeError>("{}: {} values, f32 or f64 are needed", op, to_string(dtype));
}

// Calls run(float{}), run(double{}) or run(bfloat16{}), as the op's activations are; throws ShapeError for any other
// type.
template <class Run>
auto with_activation_type(std::string_view op, DType dtype, Run&& run) {
  if (dtype == DType::f32) return run(float{});
  if (dtype == DType::f64) return run(double{});
  if (dtype == DType::bf16) return run(bfloat16{});
  throw_error<ShapeError>("{}: {} values, f32, f64 or bf16 are needed", op, to_string(dtype));
}

}  // namespace bsg::ops
