// What the decoders of PNG files share. For their .cpp files: it brings libpng's header.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <png.h>

namespace bsg::data {

class PngReader {
 public:
  // Reads the header. Throws DataError, "NAME: what is wrong", for bytes that are no PNG image and for one of more than
  // kMaxPixels pixels. The bytes and the name are kept by reference.
  PngReader(std::span<const std::byte> bytes, const std::string& name_for_errors);
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  int height() const { return height_; }
  int width() const { return width_; }
  int color_type() const { return png_get_color_type(file_.png, file_.info); }  // PNG_COLOR_TYPE_*
  int bits() const { return png_get_bit_depth(file_.png, file_.info); }         // a sample

  // All pixels, [height][width][channels], a byte a channel, to which `convert` (png_set_*) brings them. Call once.
  // Throws DataError for damaged pixels and a file that ends early.
  std::vector<std::uint8_t> read(std::size_t channels, void (*convert)(png_structp));

 private:
  [[noreturn]] static void jump_back(png_structp png, png_const_charp message);
  static void read_bytes(png_structp png, png_bytep target, std::size_t count);
  // These two call setjmp, which skips destructors: they own nothing.
  bool read_header();
  bool read_rows(png_bytepp rows, std::size_t row_bytes, void (*convert)(png_structp));
  [[noreturn]] void fail() const;

  const std::string& name_;
  std::span<const std::byte> rest_;
  std::array<char, 200> message_{};
  struct File {
    png_structp png = nullptr;
    png_infop info = nullptr;
    ~File() { png_destroy_read_struct(&png, &info, nullptr); }
  } file_;
  int height_ = 0, width_ = 0;
};

}  // namespace bsg::data
