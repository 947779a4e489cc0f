// Runs an op's kernels where the context computes: cpu() on the CPU, on_device elsewhere, which receives the device's
// kernels. Its parameter is `const auto&`, so that it is instantiated for the types alone that a device computes. For a
// T that is not computed there the call throws ShapeError; cpu() must compile for it all the same, which is easiest
// where it says ParameterOf<T>: on the CPU there is one type for all.
#pragma once

#include <string_view>
#include <type_traits>

#include "engine/core/context.hpp"
#include "engine/core/dtype.hpp"
#include "engine/core/error.hpp"
#include "kernels/backend/backend.hpp"

namespace bsg {

// For ops on activations of type T: on_device(kernels::TypedKernels<T>).
template <class T, class Cpu, class OnDevice>
void dispatch(std::string_view op, const Context& context, const Cpu& cpu, const OnDevice& on_device) {
  if (context.on_cpu()) {
    if constexpr (std::is_same_v<T, bfloat16>) {
      throw_error<ShapeError>("{}: bf16 values, device cpu computes f32 and f64", op);
    } else {
      cpu();
    }
  } else if constexpr (std::is_same_v<T, double>) {
    throw_error<ShapeError>("{}: f64 values, device {} computes f32 and bf16", op, to_string(context.device()));
  } else {
    on_device(context.backend().template typed<T>());
  }
}

// For ops that are computed in f32 or f64, on devices in f32: on_device(kernels::Backend).
template <class T, class Cpu, class OnDevice>
void dispatch_float(std::string_view op, const Context& context, const Cpu& cpu, const OnDevice& on_device) {
  if (context.on_cpu()) {
    cpu();
  } else if constexpr (std::is_same_v<T, float>) {
    on_device(context.backend());
  } else {
    throw_error<ShapeError>("{}: f64 values, device {} computes this in f32", op, to_string(context.device()));
  }
}

}  // namespace bsg
