// Any bytes either are rejected by a DataError of one line or decode to an image whose every pixel is there.
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "data/decode.hpp"
#include "engine/core/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto image = bsg::data::decode_jpeg(std::as_bytes(std::span(data, size)), "input");
    const auto pixels = static_cast<std::int64_t>(image.height) * image.width;
    if (pixels < 1 || pixels > bsg::data::kMaxPixels) std::abort();
    if (image.pixels.size() != static_cast<std::size_t>(pixels) * 3) std::abort();
    volatile unsigned char sum = 0;
    for (const std::uint8_t value : image.pixels) sum = sum + value;
  } catch (const bsg::DataError& error) {
    if (std::string(error.what()).find('\n') != std::string::npos) std::abort();
  }
  return 0;
}
