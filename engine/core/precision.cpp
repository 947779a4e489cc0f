#include "engine/core/precision.hpp"

#include "engine/core/error.hpp"

namespace bsg {

std::string_view to_string(Precision precision) {
  switch (precision) {
    case Precision::f32:
      return "f32";
    case Precision::tf32:
      return "tf32";
    case Precision::bf16:
      return "bf16";
  }
  return "unknown";
}

Precision parse_precision(std::string_view name) {
  for (const Precision precision : {Precision::f32, Precision::tf32, Precision::bf16})
    if (name == to_string(precision)) return precision;
  throw_error<ConfigError>("precision: unknown name '{}'; use f32, tf32 or bf16", name);
}

}  // namespace bsg
