#pragma once

#include <string_view>
#include <type_traits>

#include "engine/core/context.hpp"
#include "engine/core/error.hpp"
#include "kernels/backend/backend.hpp"

namespace bsg {

// Runs an op's kernels where the context computes: cpu() on the CPU, on_device(kernels::Backend) elsewhere. Other
// devices compute f32 alone: for another T on_device is not even instantiated (its parameter is `const auto&`), and the
// call throws ShapeError.
template <class T, class Cpu, class OnDevice>
void dispatch(std::string_view op, const Context& context, const Cpu& cpu, const OnDevice& on_device) {
  if (context.on_cpu()) {
    cpu();
  } else if constexpr (std::is_same_v<T, float>) {
    on_device(context.backend());
  } else {
    throw_error<ShapeError>("{}: f64 values, device {} computes f32", op, to_string(context.device()));
  }
}

}  // namespace bsg
