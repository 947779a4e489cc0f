#include "data/encode_png.hpp"

#include <png.h>

#include "engine/core/error.hpp"

namespace bsg::data {

std::vector<std::byte> encode_png(const Image& image) {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(image.width);
  png.height = static_cast<png_uint_32>(image.height);
  png.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png);
  std::vector<std::byte> file(size);
  if (png_image_write_to_memory(&png, file.data(), &size, 0, image.pixels.data(), 0, nullptr) == 0) {
    throw_error<OutOfMemory>("cannot encode {} x {} pixels as PNG: {}", image.width, image.height, png.message);
  }
  file.resize(size);
  return file;
}

}  // namespace bsg::data
