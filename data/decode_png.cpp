#include "data/decode.hpp"
#include "data/png_reader.hpp"

namespace bsg::data {

Image decode_png(std::span<const std::byte> bytes, const std::string& name_for_errors) {
  PngReader reader(bytes, name_for_errors);
  return {reader.height(), reader.width(), reader.read(3, [](png_structp png) {
            png_set_expand(png);  // palettes to colours, few bits to 8, a transparent colour to alpha
            png_set_scale_16(png);
            png_set_strip_alpha(png);
            png_set_gray_to_rgb(png);
          })};
}

}  // namespace bsg::data
