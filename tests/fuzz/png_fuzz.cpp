// Any bytes either are rejected by a DataError of one line or decode to an image, or to an annotation, whose every
// pixel is there.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "data/decode.hpp"
#include "data/label_png.hpp"
#include "engine/core/error.hpp"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace {

std::uint32_t crc_of(std::span<const std::uint8_t> bytes) {
  std::uint32_t crc = 0xFFFFFFFFu;
  for (const std::uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320u : 0);
  }
  return ~crc;
}

}  // namespace

// Every part of a PNG file carries a checksum, at which nearly all mutants would fail: most of them get right ones.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
  size = LLVMFuzzerMutate(data, size, max_size);
  if (seed % 8 == 0) return size;
  constexpr std::size_t kSignature = 8, kAround = 12;  // length, type and checksum of a part, 4 bytes each
  for (std::size_t at = kSignature; at + kAround <= size;) {
    const std::size_t length = std::size_t{data[at]} << 24 | std::size_t{data[at + 1]} << 16 |
                               std::size_t{data[at + 2]} << 8 | std::size_t{data[at + 3]};
    if (length > size - at - kAround) break;
    const std::uint32_t crc = crc_of({data + at + 4, length + 4});
    for (std::size_t i = 0; i < 4; ++i) data[at + 8 + length + i] = static_cast<std::uint8_t>(crc >> (24 - 8 * i));
    at += length + kAround;
  }
  return size;
}

namespace {

template <class Decode>
void check(const Decode& decode, std::size_t channels) {
  try {
    const auto [height, width, values] = decode();
    const auto pixels = static_cast<std::int64_t>(height) * width;
    if (pixels < 1 || pixels > bsg::data::kMaxPixels) std::abort();
    if (values.size() != static_cast<std::size_t>(pixels) * channels) std::abort();
    volatile unsigned char sum = 0;
    for (const std::uint8_t value : values) sum = sum + value;
  } catch (const bsg::DataError& error) {
    if (std::string(error.what()).find('\n') != std::string::npos) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  check([&] { return bsg::data::decode_png(bytes, "input"); }, 3);
  check([&] { return bsg::data::decode_label_png(bytes, "input"); }, 1);
  return 0;
}
