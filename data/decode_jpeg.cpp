// JPEG through libjpeg-turbo. The library reports errors by a callback that must not return; the callback jumps back
// here. The jump skips destructors, so functions that call setjmp own nothing: all memory belongs to their callers.
#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>
#include <utility>
#include <vector>

#include <jpeglib.h>
// after jpeglib.h
#include <jerror.h>

#include "data/decode.hpp"
#include "data/orientation.hpp"
#include "data/resize.hpp"
#include "engine/core/error.hpp"

namespace bsg::data {
namespace {

// A progressive file may repeat its scans, each of which costs a pass over the whole image; encoders write about ten.
constexpr int kMaxScans = 100;

constexpr int kExifMarker = JPEG_APP0 + 1;

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
  jpeg_save_markers(&reader.info, kExifMarker, 0xFFFF);
  jpeg_read_header(&reader.info, TRUE);
  const bool inks = reader.info.jpeg_color_space == JCS_CMYK || reader.info.jpeg_color_space == JCS_YCCK;
  reader.info.out_color_space = inks ? JCS_CMYK : JCS_RGB;
  return true;
}

Orientation orientation_of(const jpeg_decompress_struct& info) {
  for (auto* segment = info.marker_list; segment != nullptr; segment = segment->next) {
    const auto orientation = orientation_of_exif(std::as_bytes(std::span(segment->data, segment->data_length)));
    if (orientation != Orientation{}) return orientation;
  }
  return {};
}

// Files of other kinds than these are rare, and decoded whole: the library's code to leave out their columns is hardly
// ever run, and at a reduced scale it reduces colours that have fewer rows or a quarter of the columns too much.
enum class Sampling { colors_as_pixels, colors_halved_across, colors_halved, other };  // 4:4:4 or grey, 4:2:2, 4:2:0

Sampling sampling_of(const jpeg_decompress_struct& info) {
  const auto sampled = [&](int component, int h, int v) {
    return info.comp_info[component].h_samp_factor == h && info.comp_info[component].v_samp_factor == v;
  };
  if (info.num_components == 1) return sampled(0, 1, 1) ? Sampling::colors_as_pixels : Sampling::other;
  if (info.num_components != 3 || !sampled(1, 1, 1) || !sampled(2, 1, 1)) return Sampling::other;
  if (sampled(0, 1, 1)) return Sampling::colors_as_pixels;
  if (sampled(0, 2, 1)) return Sampling::colors_halved_across;
  return sampled(0, 2, 2) ? Sampling::colors_halved : Sampling::other;
}

// The largest divisor of the scale that leaves the box as large as what it is resized to, of those whose decoding costs
// less than that of all pixels: 5/8 to 7/8 have no vector code in the library (docs/results/data.md).
int divisor_for(const Frame& frame, Sampling sampling) {
  if (sampling == Sampling::other) return 1;
  // At 1/8, the library does not interpolate colours.
  for (int divisor = sampling == Sampling::colors_halved_across ? 4 : 8; divisor > 1; divisor /= 2) {
    if (frame.box.height >= divisor * frame.height && frame.box.width >= divisor * frame.width) return divisor;
  }
  return 1;
}

bool start(Reader& reader, int divisor) {
  if (setjmp(reader.jump) != 0) return false;
  reader.info.scale_num = 1;
  reader.info.scale_denom = static_cast<unsigned>(divisor);
  jpeg_start_decompress(&reader.info);
  return true;
}

// Afterwards rows have output_width columns from `left` on: those asked for, and more.
bool leave_out_columns(Reader& reader, PixelRange columns, JDIMENSION& left) {
  constexpr int kUpsampling = 2;  // a pixel's colour depends on so many beside it
  const int first = std::max(0, columns.first - kUpsampling);
  const int end = std::min(static_cast<int>(reader.info.output_width), columns.end + kUpsampling);
  left = static_cast<JDIMENSION>(first);
  auto width = static_cast<JDIMENSION>(end - first);
  if (setjmp(reader.jump) != 0) return false;
  jpeg_crop_scanline(&reader.info, &left, &width);
  return true;
}

// rows.first to rows.end - 1 at `pixels`, each of output_width * 3 bytes; a row of four inks is read into `inks`.
bool read_rows(Reader& reader, PixelRange rows, unsigned char* pixels, unsigned char* inks) {
  if (setjmp(reader.jump) != 0) return false;
  const auto first = static_cast<JDIMENSION>(rows.first), end = static_cast<JDIMENSION>(rows.end);
  const std::size_t width = reader.info.output_width;
  const bool inverted = reader.info.saw_Adobe_marker != 0;
  if (first > 0) jpeg_skip_scanlines(&reader.info, first);
  while (reader.info.output_scanline < end) {
    unsigned char* row = pixels + (reader.info.output_scanline - first) * width * 3;
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
  if (end == reader.info.output_height) jpeg_finish_decompress(&reader.info);
  return true;
}

// Whether the file's end marker is there, where decoding stopped before it. Neither pixels nor thumbnails have these
// two bytes after the first row.
bool has_end(Reader& reader) {
  constexpr std::array<JOCTET, 2> kEnd = {0xFF, JPEG_EOI};
  if (reader.info.unread_marker == JPEG_EOI || jpeg_input_complete(&reader.info) != FALSE) return true;
  const JOCTET* rest = reader.info.src->next_input_byte;
  const JOCTET* end = rest + reader.info.src->bytes_in_buffer;
  return std::search(rest, end, kEnd.begin(), kEnd.end()) != end;
}

}  // namespace

Excerpt decode_jpeg(std::span<const std::byte> bytes, const std::string& name_for_errors, const FrameChoice& choose) {
  if (bytes.empty()) throw_error<DataError>("{}: the JPEG image is empty", name_for_errors);
  Reader reader;
  const auto fail = [&] { throw_error<DataError>("{}: bad JPEG image: {}", name_for_errors, reader.message.data()); };
  if (!read_header(reader, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size())) fail();
  const jpeg_decompress_struct& info = reader.info;
  const auto width = static_cast<std::int64_t>(info.image_width);
  const auto height = static_cast<std::int64_t>(info.image_height);
  if (width * height > kMaxPixels) {
    throw_error<DataError>("{}: the image has {} x {} pixels, at most {} are accepted", name_for_errors, width, height,
                           kMaxPixels);
  }
  const ImageSize whole{static_cast<int>(height), static_cast<int>(width)};
  const Orientation orientation = orientation_of(info);
  // From here on in the stored image's rows and columns.
  const Frame frame =
      frame_as_stored(chosen_frame(choose, seen_size(whole, orientation), name_for_errors), whole, orientation);
  const Sampling sampling = sampling_of(info);
  const int divisor = divisor_for(frame, sampling);
  if (!start(reader, divisor)) fail();
  Box box = {frame.box.top / divisor, frame.box.left / divisor, frame.box.height / divisor, frame.box.width / divisor};
  const auto rows = pixels_for(box.top, box.height, frame.height, static_cast<int>(info.output_height));
  const auto columns = pixels_for(box.left, box.width, frame.width, static_cast<int>(info.output_width));
  JDIMENSION left = 0;
  if (sampling != Sampling::other && !leave_out_columns(reader, columns, left)) fail();
  Image image{rows.end - rows.first, static_cast<int>(info.output_width), {}};
  image.pixels.resize(static_cast<std::size_t>(image.height) * info.output_width * 3);
  std::vector<unsigned char> inks;
  if (info.out_color_space == JCS_CMYK) inks.resize(std::size_t{info.output_width} * 4);
  if (!read_rows(reader, rows, image.pixels.data(), inks.empty() ? nullptr : inks.data())) fail();
  if (!has_end(reader)) throw_error<DataError>("{}: bad JPEG image: Premature end of JPEG file", name_for_errors);

  box.top -= rows.first;
  box.left -= left;
  const ImageSize size{image.height, image.width};
  return {as_seen(std::move(image), orientation), box_as_seen(box, size, orientation)};
}

Image decode_jpeg(std::span<const std::byte> bytes, const std::string& name_for_errors) {
  const auto whole = [](ImageSize size) {
    return Frame{{0, 0, static_cast<double>(size.height), static_cast<double>(size.width)}, size.height, size.width};
  };
  return decode_jpeg(bytes, name_for_errors, whole).image;
}

}  // namespace bsg::data
