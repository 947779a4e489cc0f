// Files of named tensors in the safetensors format: 8 bytes of header length (little endian), a JSON header, and the
// tensors' bytes (https://huggingface.co/docs/safetensors). Nothing in a file is believed before it was checked.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/core/tensor.hpp"

namespace bsg {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

struct SafetensorsFile {
  NamedTensors tensors;  // in the order of their bytes in the file
  std::map<std::string, std::string> metadata;

  // Null when there is none of that name.
  const Tensor* find(std::string_view name) const;
};

// F32, F64, I64, I32 and U8 keep their type; BOOL becomes u8, F16 and BF16 become f32. Throws DataError, naming the
// file, the tensor and the values found, for everything that the format forbids (a header that is longer than the file,
// a type or a shape that does not fit the offsets, tensors that overlap or leave holes, a name used twice) and for
// other types and more than 6 dimensions; IoError when the system refuses to read.
SafetensorsFile read_safetensors(Context& context, const std::string& path);
// The same from memory.
SafetensorsFile parse_safetensors(Context& context, std::span<const std::byte> bytes,
                                  const std::string& name_for_errors);

// Replaces the file atomically (AtomicFileWriter). Wider types come first, so that every tensor is aligned; otherwise
// the order is kept. Throws DataError for a name that occurs twice, "__metadata__", an undefined tensor, or text that
// is not UTF-8; IoError when the system refuses to write.
void write_safetensors(const std::string& path, const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace bsg
