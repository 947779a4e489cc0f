// Runs an op's kernels where the context computes: cpu() on the CPU, on_device elsewhere, which receives the device's
// kernels. Its parameter is `const auto&`, so that it is instantiated for the types alone that a device computes; for
// any other T the call throws ShapeError.
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
    cpu();
  } else if constexpr (std::is_same_v<T, float>) {
    on_device(context.backend().template typed<T>());
  } else {
    throw_error<ShapeError>("{}: {} values, device {} computes f32", op, to_string(DTypeOf<T>::value),
                            to_string(context.device()));
  }
}

// For ops that devices compute in f32 alone: on_device(kernels::Backend).
template <class T, class Cpu, class OnDevice>
void dispatch_float(std::string_view op, const Context& context, const Cpu& cpu, const OnDevice& on_device) {
  if (context.on_cpu()) {
    cpu();
  } else if constexpr (std::is_same_v<T, float>) {
    on_device(context.backend());
  } else {
    throw_error<ShapeError>("{}: {} values, device {} computes this in f32", op, to_string(DTypeOf<T>::value),
                            to_string(context.device()));
  }
}

}  // namespace bsg
