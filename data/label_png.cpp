#include "data/label_png.hpp"

#include "data/decode.hpp"
#include "data/png_reader.hpp"
#include "engine/core/error.hpp"
#include "engine/core/file.hpp"

namespace bsg::data {
namespace {

const char* name_of_type(int color_type) {
  switch (color_type) {
    case PNG_COLOR_TYPE_GRAY:
      return "grey";
    case PNG_COLOR_TYPE_PALETTE:
      return "a palette";
    case PNG_COLOR_TYPE_GRAY_ALPHA:
      return "grey and alpha";
    case PNG_COLOR_TYPE_RGB:
      return "RGB";
    default:
      return "RGB and alpha";
  }
}

}  // namespace

LabelMap decode_label_png(std::span<const std::byte> bytes, const std::string& name_for_errors) {
  PngReader reader(bytes, name_for_errors);
  const int type = reader.color_type(), bits = reader.bits();
  if ((type != PNG_COLOR_TYPE_GRAY && type != PNG_COLOR_TYPE_PALETTE) || bits > 8) {
    throw_error<DataError>(
        "{}: the annotation has {} of {} bits, expected the classes as grey values or indices of a palette, at most 8 "
        "bits",
        name_for_errors, name_of_type(type), bits);
  }
  // A byte for each number of fewer bits; its value stays.
  return {reader.height(), reader.width(), reader.read(1, png_set_packing)};
}

LabelMap read_label_png(const std::string& path) { return decode_label_png(read_file(path, kMaxImageFileBytes), path); }

}  // namespace bsg::data
