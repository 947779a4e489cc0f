// Any bytes either are rejected by a DataError or parse into tensors that the file paid for.
#include <cstdint>
#include <cstdlib>
#include <span>

#include "engine/core/error.hpp"
#include "engine/core/safetensors.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  bsg::Context context;
  try {
    const auto file = bsg::parse_safetensors(context, std::as_bytes(std::span(data, size)), "input");
    std::size_t bytes = 0;
    for (const auto& [name, tensor] : file.tensors) {
      bytes += tensor.bytes();
      if (file.find(name) == nullptr || file.find(name)->raw() != tensor.raw()) std::abort();
      // Every byte must be readable.
      volatile unsigned char sum = 0;
      for (std::size_t i = 0; i < tensor.bytes(); ++i) sum = sum + static_cast<const unsigned char*>(tensor.raw())[i];
    }
    if (bytes > 2 * size) std::abort();  // half precision doubles
  } catch (const bsg::DataError&) {
  }
  return 0;
}
