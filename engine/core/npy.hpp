// One array in NumPy's .npy format (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html), versions 1
// to 3.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "engine/core/tensor.hpp"

namespace bsg {

// f32, f64, i64, i32 and u8, little endian, C order, at most 6 dimensions. Throws DataError, naming the file and what
// was found, for everything else, and for a file whose size does not fit its shape exactly; IoError when the system
// refuses to read.
Tensor read_npy(Context& context, const std::string& path);
// The same from memory.
Tensor parse_npy(Context& context, std::span<const std::byte> bytes, const std::string& name_for_errors);

// Version 1, replaced atomically (AtomicFileWriter).
void write_npy(const std::string& path, const Tensor& tensor);

}  // namespace bsg
