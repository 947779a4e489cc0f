#pragma once

#include <string_view>

namespace bsg {

// What devices other than the CPU store activations as and multiply them in; sums are f32 in all. tf32: stored as f32,
// of which products take 10 bits of the mantissa. The CPU computes f32.
enum class Precision { f32, tf32, bf16 };

std::string_view to_string(Precision precision);

// Throws ConfigError for an unknown name.
Precision parse_precision(std::string_view name);

}  // namespace bsg
