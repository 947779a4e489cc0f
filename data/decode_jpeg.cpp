// JPEG through libjpeg-turbo. The library reports errors by a callback that must not return; the callback jumps back
// here. The jump skips destructors, so functions that call setjmp own nothing: all memory belongs to their callers.
#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstring>

#include <jpeglib.h>
// after jpeglib.h
#include <jerror.h>

#include "data/decode.hpp"
#include "engine/core/error.hpp"

namespace bsg::data {
namespace {

// A progressive file may repeat its scans, each of which costs a pass over the whole image; encoders write about ten.
constexpr int kMaxScans = 100;

struct Reader {
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  jpeg_decompress_struct info{};
  std::jmp_buf jump;
  std::array<char, JMSG_LENGTH_MAX> message{};
  bool created = false;

  Reader() = default;
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() {
    if (created) jpeg_destroy_decompress(&info);
  }
};

[[noreturn]] void jump_back(j_common_ptr info) {
  auto* reader = static_cast<Reader*>(info->client_data);
  (*info->err->format_message)(info, reader->message.data());
  std::longjmp(reader->jump, 1);
}

// The library only warns of missing and damaged pixels and paints them grey. Warnings about anything else than pixels
// are of no interest.
void on_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  switch (info->err->msg_code) {
    case JWRN_ADOBE_XFORM:
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_JFIF_MAJOR:
    case JWRN_NOT_SEQUENTIAL:
      return;
    default:
      jump_back(info);
  }
}

void on_progress(j_common_ptr info) {
  auto* reader = static_cast<Reader*>(info->client_data);
  if (reader->info.input_scan_number <= kMaxScans) return;
  std::snprintf(reader->message.data(), reader->message.size(), "more than %d scans", kMaxScans);
  std::longjmp(reader->jump, 1);
}

bool read_header(Reader& reader, const unsigned char* bytes, std::size_t size) {
  reader.info.err = jpeg_std_error(&reader.errors);
  reader.info.client_data = &reader;
  reader.errors.error_exit = jump_back;
  reader.errors.emit_message = on_message;
  reader.progress.progress_monitor = on_progress;
  if (setjmp(reader.jump) != 0) return false;
  jpeg_create_decompress(&reader.info);
  reader.created = true;
  reader.info.progress = &reader.progress;
  jpeg_mem_src(&reader.info, bytes, static_cast<unsigned long>(size));
  jpeg_read_header(&reader.info, TRUE);
  const bool inks = reader.info.jpeg_color_space == JCS_CMYK || reader.info.jpeg_color_space == JCS_YCCK;
  reader.info.out_color_space = inks ? JCS_CMYK : JCS_RGB;
  return true;
}

// rows: [height] rows of width * channels bytes from `pixels` on; a row of four inks is read into `inks`.
bool read_rows(Reader& reader, unsigned char* pixels, unsigned char* inks) {
  if (setjmp(reader.jump) != 0) return false;
  jpeg_start_decompress(&reader.info);
  const std::size_t width = reader.info.output_width;
  const bool inverted = reader.info.saw_Adobe_marker != 0;
  while (reader.info.output_scanline < reader.info.output_height) {
    unsigned char* row = pixels + reader.info.output_scanline * width * 3;
    JSAMPROW target = inks != nullptr ? inks : row;
    jpeg_read_scanlines(&reader.info, &target, 1);
    for (std::size_t x = 0; inks != nullptr && x < width; ++x) {
      for (std::size_t c = 0; c < 3; ++c) {
        const int ink = inks[x * 4 + c], black = inks[x * 4 + 3];
        const int product = inverted ? ink * black : (255 - ink) * (255 - black);
        row[x * 3 + c] = static_cast<unsigned char>((product + 127) / 255);
      }
    }
  }
  jpeg_finish_decompress(&reader.info);
  return true;
}

}  // namespace

Image decode_jpeg(std::span<const std::byte> bytes, const std::string& name_for_errors) {
  if (bytes.empty()) throw_error<DataError>("{}: the JPEG image is empty", name_for_errors);
  Reader reader;
  const auto fail = [&] { throw_error<DataError>("{}: bad JPEG image: {}", name_for_errors, reader.message.data()); };
  if (!read_header(reader, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size())) fail();
  const auto width = static_cast<std::int64_t>(reader.info.image_width);
  const auto height = static_cast<std::int64_t>(reader.info.image_height);
  if (width * height > kMaxPixels) {
    throw_error<DataError>("{}: the image has {} x {} pixels, at most {} are accepted", name_for_errors, width, height,
                           kMaxPixels);
  }
  Image image{static_cast<int>(height), static_cast<int>(width), {}};
  image.pixels.resize(static_cast<std::size_t>(width * height * 3));
  std::vector<unsigned char> inks;
  if (reader.info.out_color_space == JCS_CMYK) inks.resize(static_cast<std::size_t>(width) * 4);
  if (!read_rows(reader, image.pixels.data(), inks.empty() ? nullptr : inks.data())) fail();
  return image;
}

}  // namespace bsg::data
