#include "engine/core/npy.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "engine/core/error.hpp"
#include "engine/core/file.hpp"

static_assert(std::endian::native == std::endian::little, "the files are little endian and are copied as they are");

namespace bsg {
namespace {

constexpr std::uint64_t kMaxFileBytes = std::uint64_t{16} << 30;
constexpr std::uint64_t kMaxHeaderBytes = 1 << 16;
constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kPreamble = 8;  // magic, major and minor version

struct Type {
  std::string_view descr;
  DType dtype;
};
// The first of each type is what is written. One byte has no order: '|', but some writers say '<'.
constexpr std::array<Type, 6> kTypes = {{{"<f4", DType::f32},
                                         {"<f8", DType::f64},
                                         {"<i8", DType::i64},
                                         {"<i4", DType::i32},
                                         {"|u1", DType::u8},
                                         {"<u1", DType::u8}}};

struct Header {
  std::optional<std::string> descr;
  std::optional<bool> fortran_order;
  std::optional<std::vector<std::int64_t>> shape;
};

// The header is a Python dictionary of three keys, written as a literal: {'descr': '<f4', 'fortran_order': False,
// 'shape': (3, 4), }. This reads just that, in any order of keys and with any spaces.
class HeaderReader {
 public:
  HeaderReader(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  Header read() {
    Header header;
    expect('{');
    while (!accept('}')) {
      const std::string key = quoted();
      expect(':');
      if (key == "descr") {
        once(header.descr, key) = quoted();
      } else if (key == "fortran_order") {
        once(header.fortran_order, key) = truth();
      } else if (key == "shape") {
        once(header.shape, key) = tuple();
      } else {
        throw_error<DataError>("{}: the header has the unknown key '{}'", file_, key);
      }
      if (accept('}')) break;
      expect(',');
    }
    skip_spaces();
    if (position_ != text_.size()) wrong("the end of the header");
    const char* missing = !header.descr           ? "descr"
                          : !header.fortran_order ? "fortran_order"
                          : !header.shape         ? "shape"
                                                  : nullptr;
    if (missing != nullptr) throw_error<DataError>("{}: the header has no '{}'", file_, missing);
    return header;
  }

 private:
  template <class T>
  T& once(std::optional<T>& value, const std::string& key) {
    if (value) throw_error<DataError>("{}: the header has the key '{}' twice", file_, key);
    return value.emplace();
  }
  [[noreturn]] void wrong(const char* expected) const {
    if (position_ >= text_.size()) throw_error<DataError>("{}: the header ends where {} is expected", file_, expected);
    const char c = text_[position_];
    throw_error<DataError>(
        "{}: byte {} of the header is {}, expected {}", file_, position_,
        c > 32 && c < 127 ? fmt::format("'{}'", c) : fmt::format("{:#04x}", static_cast<unsigned char>(c)), expected);
  }
  void skip_spaces() {
    while (position_ < text_.size() &&
           (text_[position_] == ' ' || text_[position_] == '\n' || text_[position_] == '\t'))
      ++position_;
  }
  bool accept(char c) {
    skip_spaces();
    if (position_ >= text_.size() || text_[position_] != c) return false;
    ++position_;
    return true;
  }
  void expect(char c) {
    if (accept(c)) return;
    const std::array<char, 4> name = {'\'', c, '\'', '\0'};
    wrong(name.data());
  }
  std::string quoted() {
    skip_spaces();
    if (position_ >= text_.size() || (text_[position_] != '\'' && text_[position_] != '"')) wrong("a quoted text");
    const char quote = text_[position_++];
    const std::size_t first = position_;
    const auto plain = [&](char c) { return c > 32 && c < 127 && c != quote && c != '\\'; };
    while (position_ < text_.size() && position_ - first < 64 && plain(text_[position_])) ++position_;
    if (position_ >= text_.size() || text_[position_] != quote) wrong("the end of a short plain text");
    return std::string(text_.substr(first, position_++ - first));
  }
  bool truth() {
    skip_spaces();
    for (const std::string_view word : {"True", "False"}) {
      if (text_.substr(position_, word.size()) != word) continue;
      position_ += word.size();
      return word == "True";
    }
    wrong("True or False");
  }
  std::int64_t extent() {
    skip_spaces();
    std::int64_t value = 0;
    const char* first = text_.data() + position_;
    const auto [last, error] = std::from_chars(first, text_.data() + text_.size(), value);
    if (error == std::errc::result_out_of_range)
      throw_error<DataError>("{}: the shape has an extent that is too large", file_);
    if (error != std::errc{} || value < 0) wrong("a whole number >= 0");
    position_ += static_cast<std::size_t>(last - first);
    return value;
  }
  // (), (3,), (3, 4) or (3, 4,). Python's (3) would be a number.
  std::vector<std::int64_t> tuple() {
    std::vector<std::int64_t> extents;
    expect('(');
    while (!accept(')')) {
      if (extents.size() == Shape::kMaxRank)
        throw_error<DataError>("{}: the shape has more than {} dimensions", file_, Shape::kMaxRank);
      extents.push_back(extent());
      if (extents.size() > 1 && accept(')')) break;
      expect(',');
    }
    return extents;
  }

  std::string_view text_;
  const std::string& file_;
  std::size_t position_ = 0;
};

// Nothing when the product passes 2^62; a zero extent makes it 0, whatever the others are.
std::optional<std::uint64_t> bytes_of(const std::vector<std::int64_t>& shape, std::uint64_t element) {
  constexpr std::uint64_t limit = std::uint64_t{1} << 62;
  std::uint64_t product = element;
  bool empty = false;
  for (const std::int64_t signed_extent : shape) {
    const auto extent = static_cast<std::uint64_t>(signed_extent);
    if (extent > limit) return std::nullopt;
    empty = empty || extent == 0;
    if (extent == 0) continue;
    if (product > limit / extent) return std::nullopt;
    product *= extent;
  }
  return empty ? 0 : product;
}

}  // namespace

Tensor read_npy(Context& context, const std::string& path) {
  return parse_npy(context, read_file(path, kMaxFileBytes), path);
}

Tensor parse_npy(Context& context, std::span<const std::byte> bytes, const std::string& name_for_errors) {
  const std::string& file = name_for_errors;
  if (bytes.size() < kPreamble + 2 || std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) {
    throw_error<DataError>("{}: is no .npy file", file);
  }
  const int major = static_cast<int>(bytes[6]), minor = static_cast<int>(bytes[7]);
  if (major < 1 || major > 3 || minor != 0)
    throw_error<DataError>("{}: .npy version {}.{} is not supported", file, major, minor);
  const std::size_t length_bytes = major == 1 ? 2 : 4;
  if (bytes.size() < kPreamble + length_bytes) throw_error<DataError>("{}: the file ends in its header length", file);
  std::uint32_t length = 0;
  std::memcpy(&length, bytes.data() + kPreamble, length_bytes);
  const auto rest = bytes.subspan(kPreamble + length_bytes);
  if (length > kMaxHeaderBytes)
    throw_error<DataError>("{}: the header length {} is over the limit of {} bytes", file, length, kMaxHeaderBytes);
  if (length > rest.size())
    throw_error<DataError>("{}: the header length {} is more than the {} bytes that follow", file, length, rest.size());

  const Header header = HeaderReader({reinterpret_cast<const char*>(rest.data()), length}, file).read();
  const auto data = rest.subspan(length);
  const auto* type =
      std::find_if(kTypes.begin(), kTypes.end(), [&](const Type& t) { return t.descr == *header.descr; });
  if (type == kTypes.end()) {
    throw_error<DataError>("{}: the type '{}' is not supported: expected '<f4', '<f8', '<i8', '<i4' or '|u1'", file,
                           *header.descr);
  }
  if (*header.fortran_order) throw_error<DataError>("{}: the array is in Fortran order, which is not supported", file);
  const std::string shape = fmt::format("({})", fmt::join(*header.shape, ", "));
  const auto wanted = bytes_of(*header.shape, size_of(type->dtype));
  if (!wanted) throw_error<DataError>("{}: the shape {} is too large", file, shape);
  if (*wanted != data.size()) {
    throw_error<DataError>("{}: {} of shape {} needs {} bytes of data, the file has {}", file, *header.descr, shape,
                           *wanted, data.size());
  }
  Tensor tensor = Tensor::empty(context, Shape(*header.shape), type->dtype);
  if (!data.empty()) std::memcpy(tensor.raw(), data.data(), data.size());
  return tensor;
}

void write_npy(const std::string& path, const Tensor& tensor) {
  if (!tensor.defined()) throw_error<DataError>("{}: the tensor to write has no memory", path);
  const auto* type =
      std::find_if(kTypes.begin(), kTypes.end(), [&](const Type& t) { return t.dtype == tensor.dtype(); });
  const auto extents = tensor.shape().extents();
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}", type->descr,
                                   fmt::join(extents, ", "), extents.size() == 1 ? "," : "");
  // NumPy aligns the data to 64 bytes and ends the header with a newline.
  while ((kPreamble + 2 + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  const auto length = static_cast<std::uint16_t>(header.size());
  AtomicFileWriter file(path);
  file.write(kMagic);
  file.write(std::string_view("\x01\x00", 2));
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(header);
  file.write(std::span(static_cast<const std::byte*>(tensor.raw()), tensor.bytes()));
  file.commit();
}

}  // namespace bsg
