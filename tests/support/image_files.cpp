#include "tests/support/image_files.hpp"

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include <jpeglib.h>
#include <png.h>

namespace bsg::test {

Pixels gradient(int height, int width, int channels) {
  Pixels pixels{height, width, channels, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c) {
        pixels.values.push_back(static_cast<std::uint8_t>((20 + 45 * c + 2 * x + (c % 2 == 0 ? 2 : 1) * y) % 256));
      }
    }
  }
  return pixels;
}

std::string encode_jpeg(const Pixels& pixels, const JpegOptions& options) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);  // ends the program: these are our own pixels
  jpeg_create_compress(&info);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &buffer, &size);
  info.image_width = static_cast<JDIMENSION>(pixels.width);
  info.image_height = static_cast<JDIMENSION>(pixels.height);
  info.input_components = pixels.channels;
  info.in_color_space = pixels.channels == 1 ? JCS_GRAYSCALE : pixels.channels == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, options.quality, TRUE);
  for (int c = 0; c < info.num_components; ++c) info.comp_info[c].h_samp_factor = info.comp_info[c].v_samp_factor = 1;
  info.comp_info[0].h_samp_factor = options.chroma_width;
  info.comp_info[0].v_samp_factor = options.chroma_height;
  if (options.progressive) jpeg_simple_progression(&info);
  if (!options.adobe_marker) info.write_Adobe_marker = FALSE;
  jpeg_start_compress(&info, TRUE);
  if (!options.app1.empty()) {
    jpeg_write_marker(&info, JPEG_APP0 + 1, reinterpret_cast<const JOCTET*>(options.app1.data()),
                      static_cast<unsigned>(options.app1.size()));
  }
  while (info.next_scanline < info.image_height) {
    const std::size_t row = info.next_scanline * static_cast<std::size_t>(pixels.width * pixels.channels);
    auto* values = const_cast<JSAMPLE*>(pixels.values.data() + row);
    jpeg_write_scanlines(&info, &values, 1);
  }
  jpeg_finish_compress(&info);
  std::string file(reinterpret_cast<const char*>(buffer), size);
  jpeg_destroy_compress(&info);
  std::free(buffer);
  return file;
}

std::string exif(int orientation, bool little_endian) {
  const auto number = [&](unsigned value, int size) {
    std::string bytes;
    for (int i = 0; i < size; ++i) {
      bytes += static_cast<char>(value >> 8 * (little_endian ? i : size - 1 - i));
    }
    return bytes;
  };
  // Entries of 12 bytes: tag, type, count, value; then the offset of the next directory.
  const auto entry = [&](unsigned tag, const std::string& value) {
    return number(tag, 2) + number(3, 2) + number(1, 4) + value + number(0, 2);
  };
  return std::string("Exif\0\0", 6) + (little_endian ? "II" : "MM") + number(42, 2) + number(8, 4) + number(3, 2) +
         entry(0x0100, number(640, 2)) + entry(0x0112, number(static_cast<unsigned>(orientation), 2)) +
         entry(0x0128, number(2, 2)) + number(0, 4);
}

std::string encode_png(const Pixels& pixels, const PngOptions& options) {
  constexpr int kTypes[] = {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGBA};
  const int type = options.color_type >= 0 ? options.color_type : kTypes[pixels.channels - 1];
  std::string file;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  if (setjmp(png_jmpbuf(png)) != 0) throw std::runtime_error("encode_png: libpng refuses the pixels");
  png_set_write_fn(
      png, &file,
      [](png_structp writer, png_bytep bytes, std::size_t count) {
        static_cast<std::string*>(png_get_io_ptr(writer))->append(reinterpret_cast<const char*>(bytes), count);
      },
      nullptr);
  png_set_IHDR(png, info, static_cast<png_uint_32>(pixels.width), static_cast<png_uint_32>(pixels.height), options.bits,
               type, options.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  if (!options.palette.empty()) {
    std::vector<png_color> colors;
    for (std::size_t i = 0; i < options.palette.size(); i += 3) {
      colors.push_back({options.palette[i], options.palette[i + 1], options.palette[i + 2]});
    }
    png_set_PLTE(png, info, colors.data(), static_cast<int>(colors.size()));
  }
  if (options.transparent_grey >= 0) {
    png_color_16 value{};
    value.gray = static_cast<png_uint_16>(options.transparent_grey);
    png_set_tRNS(png, info, nullptr, 0, &value);
  }
  png_write_info(png, info);
  if (options.bits < 8) png_set_packing(png);
  std::vector<png_bytep> rows;
  const auto row_bytes = static_cast<std::size_t>(pixels.width * pixels.channels * (options.bits == 16 ? 2 : 1));
  for (int y = 0; y < pixels.height; ++y) {
    rows.push_back(const_cast<png_bytep>(pixels.values.data() + static_cast<std::size_t>(y) * row_bytes));
  }
  png_write_image(png, rows.data());
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return file;
}

}  // namespace bsg::test
