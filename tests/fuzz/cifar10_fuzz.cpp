// Any bytes either are rejected by a DataError or are records, all of them. The first byte is the number of classes.
#include <cstdint>
#include <cstdlib>
#include <span>

#include "data/cifar10.hpp"
#include "engine/core/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto bytes = std::as_bytes(std::span(data, size)).subspan(1);
  try {
    const auto examples = bsg::data::parse_cifar10(bytes, data[0], "input");
    if (examples.empty() || examples.size() * bsg::data::kCifarRecordBytes != bytes.size()) std::abort();
    for (const auto& example : examples) {
      if (example.label < 0 || example.label >= data[0] || example.image.pixels.size() != 32 * 32 * 3) std::abort();
    }
  } catch (const bsg::DataError&) {
  }
  return 0;
}
