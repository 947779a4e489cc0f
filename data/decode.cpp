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

}  // namespace

Image decode_image(std::span<const std::byte> bytes, const std::string& name_for_errors) {
  constexpr std::array<unsigned char, 3> kJpeg = {0xFF, 0xD8, 0xFF};
  constexpr std::array<unsigned char, 8> kPng = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  if (bytes.empty()) throw_error<DataError>("{}: the file is empty", name_for_errors);
  if (starts_with(bytes, kJpeg)) return decode_jpeg(bytes, name_for_errors);
  if (starts_with(bytes, kPng)) return decode_png(bytes, name_for_errors);
  throw_error<DataError>("{}: is neither a JPEG nor a PNG image", name_for_errors);
}

Image read_image(const std::string& path) { return decode_image(read_file(path, kMaxImageFileBytes), path); }

}  // namespace bsg::data
