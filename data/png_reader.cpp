#include "data/png_reader.hpp"

#include <csetjmp>
#include <cstdio>
#include <cstring>

#include "data/decode.hpp"
#include "engine/core/error.hpp"

namespace bsg::data {
namespace {

// Damage in a part that decides pixels is an error; what is left are oddities of comments, profiles and the like.
void ignore_warning(png_structp, png_const_charp) {}

}  // namespace

PngReader::PngReader(std::span<const std::byte> bytes, const std::string& name_for_errors)
    : name_(name_for_errors), rest_(bytes) {
  if (!read_header()) fail();
  const auto width = static_cast<std::int64_t>(png_get_image_width(file_.png, file_.info));
  const auto height = static_cast<std::int64_t>(png_get_image_height(file_.png, file_.info));
  if (width * height > kMaxPixels) {
    throw_error<DataError>("{}: the image has {} x {} pixels, at most {} are accepted", name_, width, height,
                           kMaxPixels);
  }
  height_ = static_cast<int>(height);
  width_ = static_cast<int>(width);
}

std::vector<std::uint8_t> PngReader::read(std::size_t channels, void (*convert)(png_structp)) {
  const std::size_t row_bytes = static_cast<std::size_t>(width_) * channels;
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(height_) * row_bytes);
  std::vector<png_bytep> rows(static_cast<std::size_t>(height_));
  for (std::size_t y = 0; y < rows.size(); ++y) rows[y] = pixels.data() + y * row_bytes;
  if (!read_rows(rows.data(), row_bytes, convert)) fail();
  return pixels;
}

void PngReader::jump_back(png_structp png, png_const_charp message) {
  auto* reader = static_cast<PngReader*>(png_get_error_ptr(png));
  std::snprintf(reader->message_.data(), reader->message_.size(), "%s", message);
  png_longjmp(png, 1);
}

void PngReader::read_bytes(png_structp png, png_bytep target, std::size_t count) {
  auto* reader = static_cast<PngReader*>(png_get_io_ptr(png));
  if (count > reader->rest_.size()) png_error(png, "the file ends early");
  std::memcpy(target, reader->rest_.data(), count);
  reader->rest_ = reader->rest_.subspan(count);
}

bool PngReader::read_header() {
  file_.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, jump_back, ignore_warning);
  if (file_.png == nullptr) return false;
  if (setjmp(png_jmpbuf(file_.png)) != 0) return false;
  file_.info = png_create_info_struct(file_.png);
  if (file_.info == nullptr) return false;
  png_set_read_fn(file_.png, this, read_bytes);
  png_set_user_limits(file_.png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // the constructor has its own
  png_read_info(file_.png, file_.info);
  return true;
}

bool PngReader::read_rows(png_bytepp rows, std::size_t row_bytes, void (*convert)(png_structp)) {
  if (setjmp(png_jmpbuf(file_.png)) != 0) return false;
  convert(file_.png);
  png_set_interlace_handling(file_.png);
  png_read_update_info(file_.png, file_.info);
  if (png_get_rowbytes(file_.png, file_.info) != row_bytes) png_error(file_.png, "unexpected pixel format");
  png_read_image(file_.png, rows);
  png_read_end(file_.png, nullptr);
  return true;
}

void PngReader::fail() const { throw_error<DataError>("{}: bad PNG image: {}", name_, message_.data()); }

}  // namespace bsg::data
