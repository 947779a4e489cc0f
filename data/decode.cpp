#include "data/decode.hpp"

#include <algorithm>
#include <array>

#include "engine/core/error.hpp"
#include "engine/core/file.hpp"

namespace bsg::data {
namespace {

template <std::size_t N>
bool starts_with(std::span<const std::byte> bytes, const std::array<unsigned char, N>& signature) {
  return bytes.size() >= N && std::equal(signature.begin(), signature.end(), bytes.begin(),
                                         [](unsigned char a, std::byte b) { return std::byte{a} == b; });
}

enum class Format { jpeg, png };

Format format_of(std::span<const std::byte> bytes, const std::string& name_for_errors) {
  constexpr std::array<unsigned char, 3> kJpeg = {0xFF, 0xD8, 0xFF};
  constexpr std::array<unsigned char, 8> kPng = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  if (bytes.empty()) throw_error<DataError>("{}: the file is empty", name_for_errors);
  if (starts_with(bytes, kJpeg)) return Format::jpeg;
  if (starts_with(bytes, kPng)) return Format::png;
  throw_error<DataError>("{}: is neither a JPEG nor a PNG image", name_for_errors);
}

}  // namespace

Frame chosen_frame(const FrameChoice& choose, ImageSize size, const std::string& name_for_errors) {
  const Frame frame = choose(size);
  const Box& box = frame.box;
  constexpr double kRounding = 1e-6;
  // NaN fits nowhere.
  const auto fits = [](double begin, double length, int pixels) {
    return begin >= -kRounding && length > kRounding && begin + length <= pixels + kRounding;
  };
  if (frame.height < 1 || frame.width < 1 || !fits(box.top, box.height, size.height) ||
      !fits(box.left, box.width, size.width)) {
    throw_error<ShapeError>("{}: a box of {} x {} pixels at ({}, {}) of {} x {}, resized to {} x {}", name_for_errors,
                            box.width, box.height, box.left, box.top, size.width, size.height, frame.width,
                            frame.height);
  }
  return frame;
}

Image decode_image(std::span<const std::byte> bytes, const std::string& name_for_errors) {
  return format_of(bytes, name_for_errors) == Format::jpeg ? decode_jpeg(bytes, name_for_errors)
                                                           : decode_png(bytes, name_for_errors);
}

Excerpt decode_image(std::span<const std::byte> bytes, const std::string& name_for_errors, const FrameChoice& choose) {
  if (format_of(bytes, name_for_errors) == Format::jpeg) return decode_jpeg(bytes, name_for_errors, choose);
  Excerpt whole{decode_png(bytes, name_for_errors), {}};
  whole.box = chosen_frame(choose, {whole.image.height, whole.image.width}, name_for_errors).box;
  return whole;
}

Image read_image(const std::string& path) { return decode_image(read_file(path, kMaxImageFileBytes), path); }

Excerpt read_image(const std::string& path, const FrameChoice& choose) {
  return decode_image(read_file(path, kMaxImageFileBytes), path, choose);
}

}  // namespace bsg::data
