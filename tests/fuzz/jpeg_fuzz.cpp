// Any bytes either are rejected by a DataError of one line or decode to an image whose every pixel is there; so does
// any frame of the image, or it is refused; a frame of an image that decodes does so too.
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "data/decode.hpp"
#include "data/resize.hpp"
#include "engine/core/error.hpp"

namespace {

void check(const bsg::data::Image& image) {
  const auto pixels = static_cast<std::int64_t>(image.height) * image.width;
  if (pixels < 1 || pixels > bsg::data::kMaxPixels) std::abort();
  if (image.pixels.size() != static_cast<std::size_t>(pixels) * 3) std::abort();
  volatile unsigned char sum = 0;
  for (const std::uint8_t value : image.pixels) sum = sum + value;
}

// The last bytes, which hardly any file needs, choose the frame: sides and places in 1/200 of the image's, from before
// its begin to after its end, and the size of the result.
bsg::data::Frame frame_of(std::span<const std::uint8_t, 6> bytes, bsg::data::ImageSize whole) {
  const auto part = [](std::uint8_t byte, int pixels) { return (byte - 10) / 200.0 * pixels; };
  return {{part(bytes[0], whole.height), part(bytes[1], whole.width), part(bytes[2], whole.height),
           part(bytes[3], whole.width)},
          bytes[4] - 1,
          bytes[5] - 1};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  bool whole_decodes = false;
  try {
    check(bsg::data::decode_jpeg(bytes, "input"));
    whole_decodes = true;
  } catch (const bsg::DataError& error) {
    if (std::string(error.what()).find('\n') != std::string::npos) std::abort();
  }
  if (size < 6) return 0;
  try {
    bsg::data::Frame frame;
    const auto excerpt = bsg::data::decode_jpeg(bytes, "input", [&](bsg::data::ImageSize whole) {
      return frame = frame_of(std::span<const std::uint8_t, 6>(data + size - 6, 6), whole);
    });
    check(excerpt.image);
    check(bsg::data::resize_box(excerpt.image, excerpt.box, frame.height, frame.width));
  } catch (const bsg::ShapeError&) {
  } catch (const bsg::DataError&) {
    if (whole_decodes) std::abort();  // a part needs no more of the file than the whole
  }
  return 0;
}
