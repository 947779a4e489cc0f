#include "engine/ops/cast.hpp"

#include "engine/core/error.hpp"

namespace bsg::ops {
namespace {

constexpr std::string_view kOp = "cast";

void check(const Context& context, DType dtype) {
  const DType other = context.on_cpu() ? DType::f64 : DType::bf16;
  if (dtype != DType::f32 && dtype != other)
    throw_error<ShapeError>("{}: {} values, device {} computes f32 and {}", kOp, to_string(dtype),
                            to_string(context.device()), to_string(other));
}

}  // namespace

Var cast(Context& context, const Var& x, DType dtype) {
  check(context, x.dtype());
  check(context, dtype);
  if (x.dtype() == dtype) return x;
  return record(kOp, x.value.cast(context, dtype), {&x},
                [from = x.dtype()](BackwardPass& pass) { pass.give(0, pass.output().cast(pass.context(), from)); });
}

}  // namespace bsg::ops
