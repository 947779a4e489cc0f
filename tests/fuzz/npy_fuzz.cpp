// Any bytes either are rejected by a DataError or parse into an array no larger than the file.
#include <cstdint>
#include <cstdlib>
#include <span>

#include "engine/core/error.hpp"
#include "engine/core/npy.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  bsg::Context context;
  try {
    const bsg::Tensor tensor = bsg::parse_npy(context, std::as_bytes(std::span(data, size)), "input");
    if (tensor.bytes() > size) std::abort();
    volatile unsigned char sum = 0;
    for (std::size_t i = 0; i < tensor.bytes(); ++i) sum = sum + static_cast<const unsigned char*>(tensor.raw())[i];
  } catch (const bsg::DataError&) {
  }
  return 0;
}
