#include "engine/core/safetensors.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <unordered_set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "engine/core/error.hpp"
#include "engine/core/file.hpp"

static_assert(std::endian::native == std::endian::little, "the files are little endian and are copied as they are");

namespace bsg {
namespace {

constexpr std::uint64_t kMaxFileBytes = std::uint64_t{16} << 30;
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // as the reference implementation
constexpr std::uint64_t kLengthBytes = 8;

// Names go into messages: they may be long, and are quoted.
std::string shorten(const std::string& name) { return name.size() <= 200 ? name : name.substr(0, 200) + "..."; }

struct Entry {
  std::string name;
  std::optional<std::string> type;
  std::optional<std::vector<std::uint64_t>> shape;
  std::optional<std::vector<std::uint64_t>> offsets;
};

struct Header {
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;
};

// Reads the header event by event. The grammar is fixed and three levels deep, so whatever else appears is rejected
// where it begins: nothing nests, and nothing is stored that the format does not have. (A document tree would also hide
// names that occur twice.)
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  HeaderReader(const std::string& file, Header& header) : file_(file), header_(header) {}

  bool null() override { return reject("null"); }
  bool boolean(bool) override { return reject("a truth value"); }
  bool number_integer(std::int64_t value) override { return reject(fmt::format("the number {}", value)); }
  bool number_float(double, const std::string& text) override { return reject("the number " + shorten(text)); }
  bool binary(nlohmann::json::binary_t&) override { return reject("binary data"); }

  bool number_unsigned(std::uint64_t value) override {
    if (state_ != State::list) return reject(fmt::format("the number {}", value));
    auto& list = *list_;
    if (list.size() >= list_limit_) {
      throw_error<DataError>("{}: tensor \"{}\": {} has more than {} values", file_, shorten(name_), key_, list_limit_);
    }
    list.push_back(value);
    return true;
  }

  bool string(std::string& value) override {
    if (state_ == State::metadata) {
      header_.metadata[key_] = value;
      return true;
    }
    if (state_ != State::tensor || key_ != "dtype") return reject("the text \"" + shorten(value) + "\"");
    header_.entries.back().type = value;
    return true;
  }

  bool start_object(std::size_t) override {
    if (state_ == State::begin) {
      state_ = State::names;
    } else if (state_ == State::names) {
      state_ = name_ == "__metadata__" ? State::metadata : State::tensor;
      if (state_ == State::tensor) {
        header_.entries.emplace_back();
        header_.entries.back().name = name_;
      }
      keys_.clear();
    } else {
      return reject("an object");
    }
    return true;
  }

  bool key(std::string& value) override {
    if (state_ == State::names) {
      if (!names_.insert(value).second)
        throw_error<DataError>("{}: the name \"{}\" occurs twice", file_, shorten(value));
      name_ = value;
      return true;
    }
    if (!keys_.insert(value).second) {
      throw_error<DataError>("{}: \"{}\": the key \"{}\" occurs twice", file_, shorten(name_), shorten(value));
    }
    key_ = value;
    if (state_ == State::tensor && key_ != "dtype" && key_ != "shape" && key_ != "data_offsets") {
      throw_error<DataError>("{}: tensor \"{}\": unknown key \"{}\"", file_, shorten(name_), shorten(key_));
    }
    return true;
  }

  bool end_object() override {
    if (state_ == State::names) {
      state_ = State::end;
      return true;
    }
    if (state_ == State::tensor) {
      const Entry& entry = header_.entries.back();
      const char* missing = !entry.type ? "dtype" : !entry.shape ? "shape" : !entry.offsets ? "data_offsets" : nullptr;
      if (missing != nullptr) throw_error<DataError>("{}: tensor \"{}\" has no {}", file_, shorten(name_), missing);
    }
    state_ = State::names;
    return true;
  }

  bool start_array(std::size_t) override {
    if (state_ != State::tensor || (key_ != "shape" && key_ != "data_offsets")) return reject("a list");
    auto& list = key_ == "shape" ? header_.entries.back().shape : header_.entries.back().offsets;
    list_ = &list.emplace();
    list_limit_ = key_ == "shape" ? Shape::kMaxRank : 2;
    state_ = State::list;
    return true;
  }

  bool end_array() override {
    state_ = State::tensor;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception& error) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: ..." The library quotes what it read:
    // shortened.
    std::string reason = error.what();
    if (const auto colon = reason.find(": "); colon != std::string::npos) reason = reason.substr(colon + 2);
    throw_error<DataError>("{}: the header is not valid JSON at byte {}: {}", file_, position, shorten(reason));
  }

 private:
  enum class State { begin, names, tensor, list, metadata, end };

  bool reject(const std::string& found) {
    switch (state_) {
      case State::begin:
      case State::end:
        throw_error<DataError>("{}: the header must be one object, found {}", file_, found);
      case State::names:
        throw_error<DataError>("{}: \"{}\" must be an object, found {}", file_, shorten(name_), found);
      case State::metadata:
        throw_error<DataError>("{}: metadata \"{}\" must be text, found {}", file_, shorten(key_), found);
      default:
        throw_error<DataError>("{}: tensor \"{}\": {} must be {}, found {}", file_, shorten(name_), key_,
                               key_ == "dtype" ? "text" : "a list of whole numbers >= 0", found);
    }
  }

  const std::string& file_;
  Header& header_;
  State state_ = State::begin;
  std::string name_, key_;
  std::unordered_set<std::string> names_, keys_;
  std::vector<std::uint64_t>* list_ = nullptr;
  std::size_t list_limit_ = 0;
};

struct Type {
  std::string_view name;
  DType stored_as;
  std::uint64_t bytes;  // of one element in the file
};

constexpr std::array<Type, 8> kTypes = {{{"F32", DType::f32, 4},
                                         {"F64", DType::f64, 8},
                                         {"I64", DType::i64, 8},
                                         {"I32", DType::i32, 4},
                                         {"U8", DType::u8, 1},
                                         {"BOOL", DType::u8, 1},
                                         {"F16", DType::f32, 2},
                                         {"BF16", DType::f32, 2}}};

const Type* find_type(std::string_view name) {
  const auto* found = std::find_if(kTypes.begin(), kTypes.end(), [&](const Type& type) { return type.name == name; });
  return found == kTypes.end() ? nullptr : found;
}

// The first type of kTypes that stores this one is the one of the same width; bf16 is written as it is, and read as
// f32.
const Type& type_of(DType dtype) {
  if (dtype == DType::bf16) return *find_type("BF16");
  return *std::find_if(kTypes.begin(), kTypes.end(), [&](const Type& type) { return type.stored_as == dtype; });
}

float from_bfloat16(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

float from_half(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1fu, fraction = bits & 0x3ffu;
  if (exponent == 0) {  // zero and subnormal: fraction * 2^-24 is exact in f32
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  const std::uint32_t wide = exponent == 31 ? 0xffu : exponent + 112;  // infinity and NaN keep theirs
  return std::bit_cast<float>(sign | (wide << 23) | (fraction << 13));
}

void copy_elements(const Type& type, std::span<const std::byte> bytes, const std::string& file, const std::string& name,
                   Tensor& tensor) {
  if (bytes.empty()) return;
  if (type.bytes == 2) {
    const bool half = type.name == "F16";
    float* out = tensor.data<float>();
    for (std::size_t i = 0; i < bytes.size() / 2; ++i) {
      std::uint16_t bits;
      std::memcpy(&bits, bytes.data() + 2 * i, 2);
      out[i] = half ? from_half(bits) : from_bfloat16(bits);
    }
    return;
  }
  if (type.name == "BOOL") {
    const auto* wrong =
        std::find_if(bytes.data(), bytes.data() + bytes.size(), [](std::byte b) { return b > std::byte{1}; });
    if (wrong != bytes.data() + bytes.size()) {
      throw_error<DataError>("{}: tensor \"{}\": BOOL holds the value {}", file, shorten(name),
                             static_cast<int>(*wrong));
    }
  }
  std::memcpy(tensor.raw(), bytes.data(), bytes.size());
}

// The number of bytes that the shape asks for; nothing when it passes 2^62.
std::optional<std::uint64_t> bytes_of(const std::vector<std::uint64_t>& shape, std::uint64_t element) {
  constexpr std::uint64_t limit = std::uint64_t{1} << 62;
  // A zero anywhere makes the product 0, whatever the others are; the extents themselves must still be extents.
  std::uint64_t product = element;
  bool empty = false;
  for (const std::uint64_t extent : shape) {
    if (extent > limit) return std::nullopt;
    if (extent == 0) {
      empty = true;
    } else if (product > limit / extent) {
      return std::nullopt;
    } else {
      product *= extent;
    }
  }
  return empty ? 0 : product;
}

Tensor read_tensor(Context& context, const Entry& entry, std::span<const std::byte> data, const std::string& file) {
  const std::string name = shorten(entry.name);
  const Type* type = find_type(*entry.type);
  if (type == nullptr)
    throw_error<DataError>("{}: tensor \"{}\" has the type {}, which is not supported", file, name,
                           shorten(*entry.type));
  if (entry.offsets->size() != 2)
    throw_error<DataError>("{}: tensor \"{}\": data_offsets has {} values, expected 2", file, name,
                           entry.offsets->size());
  const std::uint64_t begin = (*entry.offsets)[0], end = (*entry.offsets)[1];
  if (begin > end || end > data.size()) {
    throw_error<DataError>("{}: tensor \"{}\": data_offsets [{}, {}] do not lie in the {} bytes of data", file, name,
                           begin, end, data.size());
  }
  const auto wanted = bytes_of(*entry.shape, type->bytes);
  if (!wanted)
    throw_error<DataError>("{}: tensor \"{}\": the shape [{}] is too large", file, name, fmt::join(*entry.shape, ", "));
  if (*wanted != end - begin) {
    throw_error<DataError>("{}: tensor \"{}\": {} [{}] needs {} bytes, data_offsets [{}, {}] give {}", file, name,
                           type->name, fmt::join(*entry.shape, ", "), *wanted, begin, end, end - begin);
  }
  const std::vector<std::int64_t> extents(entry.shape->begin(), entry.shape->end());
  Tensor tensor = Tensor::empty(context, Shape(extents), type->stored_as);
  copy_elements(*type, data.subspan(begin, end - begin), file, entry.name, tensor);
  return tensor;
}

Header read_header(std::span<const std::byte> text, const std::string& file) {
  Header header;
  HeaderReader reader(file, header);
  const auto* first = reinterpret_cast<const char*>(text.data());
  nlohmann::json::sax_parse(first, first + text.size(), &reader);
  return header;
}

}  // namespace

const Tensor* SafetensorsFile::find(std::string_view name) const {
  const auto found =
      std::find_if(tensors.begin(), tensors.end(), [&](const auto& tensor) { return tensor.first == name; });
  return found == tensors.end() ? nullptr : &found->second;
}

SafetensorsFile read_safetensors(Context& context, const std::string& path) {
  return parse_safetensors(context, read_file(path, kMaxFileBytes), path);
}

SafetensorsFile parse_safetensors(Context& context, std::span<const std::byte> bytes,
                                  const std::string& name_for_errors) {
  const std::string& file = name_for_errors;
  if (bytes.size() < kLengthBytes)
    throw_error<DataError>("{}: {} bytes are too few for a safetensors file", file, bytes.size());
  std::uint64_t length;
  std::memcpy(&length, bytes.data(), sizeof length);
  if (length > kMaxHeaderBytes)
    throw_error<DataError>("{}: the header length {} is over the limit of {} bytes", file, length, kMaxHeaderBytes);
  if (length > bytes.size() - kLengthBytes) {
    throw_error<DataError>("{}: the header length {} is more than the {} bytes that follow", file, length,
                           bytes.size() - kLengthBytes);
  }
  const auto text = bytes.subspan(kLengthBytes, length), data = bytes.subspan(kLengthBytes + length);
  if (text.empty() || text[0] != std::byte{'{'}) throw_error<DataError>("{}: the header does not begin with {{", file);
  Header header = read_header(text, file);

  const auto offsets_of = [](const Entry& entry) { return *entry.offsets; };
  std::stable_sort(header.entries.begin(), header.entries.end(),
                   [&](const Entry& a, const Entry& b) { return offsets_of(a) < offsets_of(b); });
  SafetensorsFile result;
  result.metadata = std::move(header.metadata);
  // Offsets are checked before memory is taken: tensors that overlap could ask for many times the size of the file.
  std::uint64_t position = 0;
  for (const Entry& entry : header.entries) {
    if (entry.offsets->size() == 2 && (*entry.offsets)[0] != position) {
      throw_error<DataError>("{}: tensor \"{}\" begins at byte {} of the data, the one before it ends at {}: they {}",
                             file, shorten(entry.name), (*entry.offsets)[0], position,
                             (*entry.offsets)[0] < position ? "overlap" : "leave a hole");
    }
    result.tensors.emplace_back(entry.name, read_tensor(context, entry, data, file));
    position = (*entry.offsets)[1];
  }
  if (position != data.size())
    throw_error<DataError>("{}: the tensors end at byte {} of the data, which has {}", file, position, data.size());
  return result;
}

void write_safetensors(const std::string& path, const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<const std::pair<std::string, Tensor>*> order;
  std::unordered_set<std::string> names = {"__metadata__"};
  for (const auto& tensor : tensors) {
    if (!names.insert(tensor.first).second)
      throw_error<DataError>("{}: cannot name a tensor \"{}\": the name is taken", path, tensor.first);
    if (!tensor.second.defined()) throw_error<DataError>("{}: tensor \"{}\" has no memory", path, tensor.first);
    order.push_back(&tensor);
  }
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return size_of(a->second.dtype()) > size_of(b->second.dtype());
  });

  auto header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t position = 0;
  for (const auto* tensor : order) {
    const auto extents = tensor->second.shape().extents();
    const std::uint64_t end = position + tensor->second.bytes();
    header[tensor->first] = {{"dtype", type_of(tensor->second.dtype()).name},
                             {"shape", std::vector<std::int64_t>(extents.begin(), extents.end())},
                             {"data_offsets", {position, end}}};
    position = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception&) {
    throw_error<DataError>("{}: a tensor name or a metadata text is not valid UTF-8", path);
  }
  while (text.size() % kLengthBytes != 0) text += ' ';
  if (text.size() > kMaxHeaderBytes)
    throw_error<DataError>("{}: the header would have {} bytes, over the limit of {}", path, text.size(),
                           kMaxHeaderBytes);

  const std::uint64_t length = text.size();
  AtomicFileWriter file(path);
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(text);
  for (const auto* tensor : order) {
    file.write(std::span(static_cast<const std::byte*>(tensor->second.raw()), tensor->second.bytes()));
  }
  file.commit();
}

}  // namespace bsg
