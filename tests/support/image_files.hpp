// Image files in memory, of every kind that the decoders read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bsg::test {

// [height][width][channels], 8 bits each.
struct Pixels {
  int height = 0, width = 0, channels = 0;
  std::vector<std::uint8_t> values;

  std::uint8_t at(int y, int x, int c) const {
    return values[static_cast<std::size_t>((y * width + x) * channels + c)];
  }
};

// Slopes that differ from channel to channel: smooth, so that JPEG changes them little.
Pixels gradient(int height, int width, int channels);

struct JpegOptions {
  int quality = 98;
  bool progressive = false;
  bool adobe_marker = true;                 // of files with four channels
  int chroma_width = 1, chroma_height = 1;  // pixels that share a colour
  std::string app1;                         // content of an APP1 segment, "Exif..."; empty: none
};
// 1 channel: grey, 3: RGB, 4: CMYK, stored as given.
std::string encode_jpeg(const Pixels& pixels, const JpegOptions& options = {});

// An APP1 segment's content: Exif with an orientation among other entries.
std::string exif(int orientation, bool little_endian = true);

struct PngOptions {
  int bits = 8;                       // a channel
  int color_type = -1;                // as in the file; -1: by channels, 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA
  bool interlaced = false;            // Adam7
  std::vector<std::uint8_t> palette;  // [n][3], for color_type 3
  int transparent_grey = -1;          // a grey value that is declared transparent
};
// values: one byte a sample, two (the high one first, so twice the width) for 16 bits, packed by the encoder below 8.
std::string encode_png(const Pixels& pixels, const PngOptions& options = {});

}  // namespace bsg::test
