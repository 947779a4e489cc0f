#include "engine/core/safetensors.hpp"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>

#include "engine/core/error.hpp"
#include "engine/core/file.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace bsg;
using bsg::test::TemporaryFolder;
using Catch::Matchers::Contains;

namespace {

std::vector<std::byte> bytes_of(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

std::string length_prefix(std::uint64_t length) { return std::string(reinterpret_cast<const char*>(&length), 8); }

// A file with this header and `data` bytes 0, 1, 2, ...
std::string file_with(const std::string& header, std::size_t data) {
  std::string file = length_prefix(header.size()) + header;
  for (std::size_t i = 0; i < data; ++i) file += static_cast<char>(i);
  return file;
}

SafetensorsFile parse(const std::string& file) {
  Context context;
  return parse_safetensors(context, bytes_of(file), "f.safetensors");
}
SafetensorsFile parse(const std::string& header, std::size_t data) { return parse(file_with(header, data)); }

// Every rejection is a DataError that names the file.
void check_rejected(const std::string& file, const std::string& reason) {
  INFO("expected: " << reason);
  CHECK_THROWS_AS(parse(file), DataError);
  CHECK_THROWS_WITH(parse(file), Contains("f.safetensors") && Contains(reason));
}
void check_header_rejected(const std::string& header, std::size_t data, const std::string& reason) {
  check_rejected(file_with(header, data), reason);
}

template <class T>
Tensor tensor_of(Context& context, const Shape& shape, const std::vector<T>& values) {
  return Tensor::from(context, shape, values);
}

}  // namespace

TEST_CASE("tensors of every type, empty ones and scalars come back as they were, with their metadata") {
  Context context;
  const TemporaryFolder folder;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const NamedTensors tensors = {{"bytes", tensor_of<std::uint8_t>(context, {3}, {1, 2, 255})},
                                {"f32", tensor_of<float>(context, {2, 2}, {1.5f, -0.0f, 1e-40f, nan})},
                                {"f64", tensor_of<double>(context, {1, 1, 2}, {1e300, -1})},
                                {"i64", tensor_of<std::int64_t>(context, {1}, {INT64_MIN})},
                                {"i32", tensor_of<std::int32_t>(context, {2}, {INT32_MIN, 7})},
                                {"empty", Tensor::zeros(context, {0, 5})},
                                {"scalar \"quoted\" \xc3\xa9", Tensor::full(context, {}, 3)}};
  const std::map<std::string, std::string> metadata = {{"recipe", "line\n\"two\"\t\\"}, {"epoch", "3"}};
  write_safetensors(folder / "f", tensors, metadata);

  const SafetensorsFile read = read_safetensors(context, folder / "f");
  CHECK(read.metadata == metadata);
  REQUIRE(read.tensors.size() == tensors.size());
  for (const auto& [name, tensor] : tensors) {
    INFO(name);
    const Tensor* found = read.find(name);
    REQUIRE(found != nullptr);
    CHECK(found->shape() == tensor.shape());
    CHECK(found->dtype() == tensor.dtype());
    if (tensor.bytes() > 0) CHECK(std::memcmp(found->raw(), tensor.raw(), tensor.bytes()) == 0);
  }
  CHECK(read.find("none") == nullptr);
}

TEST_CASE("every tensor of a written file is aligned to its type") {
  Context context;
  const TemporaryFolder folder;
  write_safetensors(folder / "f", {{"a", tensor_of<std::uint8_t>(context, {1}, {9})},
                                   {"b", tensor_of<double>(context, {1}, {2})},
                                   {"c", tensor_of<float>(context, {1}, {3})}});
  const SafetensorsFile read = read_safetensors(context, folder / "f");
  REQUIRE(read.tensors.size() == 3);
  CHECK(read.tensors[0].first == "b");
  CHECK(read.tensors[1].first == "c");
  CHECK(read.tensors[2].first == "a");
  const std::string file = read_text_file(folder / "f", 1000);
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), 8);
  CHECK(length % 8 == 0);
  CHECK(file.size() == 8 + length + 13);
}

TEST_CASE("the same tensors give the same bytes") {
  Context context;
  const TemporaryFolder folder;
  const NamedTensors tensors = {{"b", tensor_of<float>(context, {1}, {1})}, {"a", tensor_of<float>(context, {1}, {2})}};
  write_safetensors(folder / "one", tensors, {{"z", "1"}, {"a", "2"}});
  write_safetensors(folder / "two", tensors, {{"a", "2"}, {"z", "1"}});
  CHECK(read_file(folder / "one", 10000) == read_file(folder / "two", 10000));
}

TEST_CASE("a file without tensors is valid") {
  CHECK(parse("{}", 0).tensors.empty());
  CHECK(parse("{}     ", 0).tensors.empty());
  CHECK(parse(R"({"__metadata__":{}})", 0).metadata.empty());
}

TEST_CASE("tensors come in the order of their bytes") {
  const auto file = parse(
      R"({"late":{"dtype":"U8","shape":[1],"data_offsets":[2,3]},"early":{"shape":[2],"data_offsets":[0,2],"dtype":"U8"}})",
      3);
  REQUIRE(file.tensors.size() == 2);
  CHECK(file.tensors[0].first == "early");
  CHECK(file.tensors[1].second.data<std::uint8_t>()[0] == 2);
}

TEST_CASE("half precision is widened exactly") {
  // zero, -0, smallest subnormal, largest subnormal, 1, -2, largest, infinity, NaN
  const std::vector<std::uint16_t> half = {0x0000, 0x8000, 0x0001, 0x03ff, 0x3c00, 0xc000, 0x7bff, 0x7c00, 0x7e00};
  const std::vector<float> expected = {0.0f, -0.0f, 0x1p-24f, 0x1.ff8p-15f, 1.0f, -2.0f, 65504.0f, INFINITY, NAN};
  std::string file = file_with(R"({"x":{"dtype":"F16","shape":[9],"data_offsets":[0,18]}})", 0);
  file += std::string(reinterpret_cast<const char*>(half.data()), 18);
  const auto read = parse(file);
  CHECK(read.tensors[0].second.dtype() == DType::f32);
  for (std::size_t i = 0; i < 8; ++i) {
    const float value = read.tensors[0].second.data<float>()[i];
    CHECK(value == expected[i]);
    CHECK(std::signbit(value) == std::signbit(expected[i]));
  }
  CHECK(std::isnan(read.tensors[0].second.data<float>()[8]));
}

TEST_CASE("bfloat16 is widened exactly and BOOL becomes u8") {
  std::string file = file_with(
      R"({"x":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]},"y":{"dtype":"BOOL","shape":[2],"data_offsets":[4,6]}})",
      0);
  file += std::string("\x80\x3f\x20\xc1\x00\x01", 6);
  const auto read = parse(file);
  CHECK(read.find("x")->data<float>()[0] == 1.0f);
  CHECK(read.find("x")->data<float>()[1] == -10.0f);
  CHECK(read.find("y")->data<std::uint8_t>()[0] == 0);
  CHECK(read.find("y")->data<std::uint8_t>()[1] == 1);
}

TEST_CASE("BOOL that is neither 0 nor 1 is rejected") {
  check_header_rejected(R"({"y":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]}})", 3,
                        "tensor \"y\": BOOL holds the value 2");
}

TEST_CASE("a file shorter than the length field is rejected") {
  check_rejected("", "0 bytes are too few");
  check_rejected("1234567", "7 bytes are too few");
}
TEST_CASE("a header length of 2^60 is rejected") {
  check_rejected(length_prefix(std::uint64_t{1} << 60) + "{}", "header length 1152921504606846976");
  check_rejected(length_prefix(~std::uint64_t{0}) + "{}", "header length 18446744073709551615");
}
TEST_CASE("a header that is longer than the file is rejected") {
  check_rejected(length_prefix(3) + "{}", "header length 3 is more than the 2 bytes that follow");
}
TEST_CASE("an empty header is rejected") { check_rejected(length_prefix(0), "does not begin with {"); }
TEST_CASE("a header that is not an object is rejected") {
  check_header_rejected("[]", 0, "does not begin with {");
  check_header_rejected(" {}", 0, "does not begin with {");
}
TEST_CASE("broken JSON is rejected") {
  check_header_rejected("{", 0, "not valid JSON");
  check_header_rejected("{\"a\":", 0, "not valid JSON");
  check_header_rejected("{}}", 0, "not valid JSON");
  check_header_rejected("{} {}", 0, "not valid JSON");
  check_header_rejected(std::string("{\0}", 3), 0, "not valid JSON");
}
TEST_CASE("a header that is not UTF-8 is rejected") { check_header_rejected("{\"\xff\":1}", 0, "not valid JSON"); }
TEST_CASE("deep nesting is rejected where it begins") {
  const std::string deep(1000000, '[');
  check_header_rejected("{\"a\":" + deep, 0, "\"a\" must be an object, found a list");
  check_header_rejected("{\"a\":{\"shape\":" + deep, 0, "shape must be a list");
  check_header_rejected("{\"a\":{\"shape\":{", 0, "shape must be a list");
  std::string objects;
  for (int i = 0; i < 100000; ++i) objects += "{\"a\":";
  check_header_rejected(objects, 0, "tensor \"a\": unknown key");
}
TEST_CASE("a name that occurs twice is rejected") {
  const std::string tensor = R"("a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  check_header_rejected("{" + tensor + "," + tensor + "}", 0, "the name \"a\" occurs twice");
  check_header_rejected(R"({"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}})", 0,
                        "\"dtype\" occurs twice");
  check_header_rejected(R"({"__metadata__":{"k":"1","k":"2"}})", 0, "\"k\" occurs twice");
}
TEST_CASE("a missing key is rejected") {
  check_header_rejected(R"({"a":{"shape":[0],"data_offsets":[0,0]}})", 0, "tensor \"a\" has no dtype");
  check_header_rejected(R"({"a":{"dtype":"U8","data_offsets":[0,0]}})", 0, "tensor \"a\" has no shape");
  check_header_rejected(R"({"a":{"dtype":"U8","shape":[0]}})", 0, "tensor \"a\" has no data_offsets");
  check_header_rejected(R"({"a":{}})", 0, "tensor \"a\" has no dtype");
}
TEST_CASE("an unknown key is rejected") {
  check_header_rejected(R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":1}})", 0, "unknown key \"x\"");
}
TEST_CASE("values of the wrong JSON type are rejected") {
  check_header_rejected(R"({"a":1})", 0, "\"a\" must be an object, found the number 1");
  check_header_rejected(R"({"a":null})", 0, "found null");
  check_header_rejected(R"({"a":{"dtype":7,"shape":[0],"data_offsets":[0,0]}})", 0,
                        "dtype must be text, found the number 7");
  check_header_rejected(R"({"a":{"dtype":["U8"],"shape":[0],"data_offsets":[0,0]}})", 0,
                        "dtype must be text, found a list");
  check_header_rejected(R"({"a":{"dtype":"U8","shape":0,"data_offsets":[0,0]}})", 0, "shape must be a list");
  check_header_rejected(R"({"a":{"dtype":"U8","shape":"0","data_offsets":[0,0]}})", 0, "found the text \"0\"");
  check_header_rejected(R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,0]}})", 0, "found the number -1");
  check_header_rejected(R"({"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,0]}})", 0, "found the number 1.0");
  check_header_rejected(R"({"a":{"dtype":"U8","shape":[true],"data_offsets":[0,0]}})", 0, "found a truth value");
  check_header_rejected(R"({"a":{"dtype":"U8","shape":[[1]],"data_offsets":[0,0]}})", 0, "found a list");
  check_header_rejected(R"({"a":{"dtype":"U8","shape":[99999999999999999999],"data_offsets":[0,0]}})", 0,
                        "found the number");
  check_header_rejected(R"({"__metadata__":{"k":1}})", 0, "metadata \"k\" must be text, found the number 1");
  check_header_rejected(R"({"__metadata__":[]})", 0, "\"__metadata__\" must be an object, found a list");
}
TEST_CASE("an unsupported type is named") {
  check_header_rejected(R"({"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}})", 1,
                        "tensor \"a\" has the type F8_E4M3");
  check_header_rejected(R"({"a":{"dtype":"u8","shape":[1],"data_offsets":[0,1]}})", 1, "the type u8");
}
TEST_CASE("more than 6 dimensions are rejected") {
  check_header_rejected(R"({"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1],"data_offsets":[0,1]}})", 1,
                        "shape has more than 6 values");
}
TEST_CASE("offsets that are not a pair are rejected") {
  check_header_rejected(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}})", 1,
                        "data_offsets has 1 values, expected 2");
  check_header_rejected(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[]}})", 1,
                        "data_offsets has 0 values, expected 2");
  check_header_rejected(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}})", 1,
                        "data_offsets has more than 2 values");
}
TEST_CASE("offsets outside of the file are rejected") {
  check_header_rejected(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 1,
                        "[0, 2] do not lie in the 1 bytes of data");
  check_header_rejected(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[18446744073709551615,0]}})", 1,
                        "18446744073709551615");
  check_header_rejected(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,18446744073709551615]}})", 1,
                        "do not lie in");
}
TEST_CASE("offsets in the wrong order are rejected") {
  check_header_rejected(
      R"({"z":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[0],"data_offsets":[4,3]}})", 4,
      "tensor \"a\": data_offsets [4, 3] do not lie in");
}
TEST_CASE("a shape that does not fit the offsets is rejected") {
  check_header_rejected(R"({"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,4]}})", 4,
                        "F32 [2, 1] needs 8 bytes, data_offsets [0, 4] give 4");
  check_header_rejected(R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,3]}})", 3, "needs 4 bytes");
  check_header_rejected(R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,1]}})", 1, "needs 0 bytes");
}
TEST_CASE("a shape whose product wraps around to the right size is rejected") {
  // 2^32 * 2^32 = 0 and 2^63 * 2 = 0 modulo 2^64
  check_header_rejected(R"({"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0,
                        "is too large");
  check_header_rejected(R"({"a":{"dtype":"U8","shape":[9223372036854775808,2],"data_offsets":[0,0]}})", 0,
                        "is too large");
  check_header_rejected(R"({"a":{"dtype":"U8","shape":[0,9223372036854775808],"data_offsets":[0,0]}})", 0,
                        "is too large");
  check_header_rejected(R"({"a":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}})", 0,
                        "is too large");
}
TEST_CASE("a huge shape beside a zero is empty, as long as it is a shape") {
  CHECK(parse(R"({"a":{"dtype":"U8","shape":[0,1099511627776],"data_offsets":[0,0]}})", 0).tensors[0].second.numel() ==
        0);
}
TEST_CASE("tensors that overlap are rejected") {
  check_header_rejected(
      R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})", 3,
      "tensor \"b\" begins at byte 1 of the data, the one before it ends at 2: they overlap");
  check_header_rejected(
      R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 2,
      "overlap");
}
TEST_CASE("holes before, between and after tensors are rejected") {
  check_header_rejected(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", 2, "leave a hole");
  check_header_rejected(
      R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})", 3,
      "leave a hole");
  check_header_rejected(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 2,
                        "end at byte 1 of the data, which has 2");
  check_header_rejected("{}", 1, "end at byte 0 of the data, which has 1");
}

TEST_CASE("a file that is cut off anywhere is rejected") {
  Context context;
  const TemporaryFolder folder;
  write_safetensors(folder / "f", {{"a", Tensor::zeros(context, {3})}, {"b", Tensor::zeros(context, {2}, DType::i64)}},
                    {{"k", "v"}});
  const std::string whole = read_text_file(folder / "f", 10000);
  REQUIRE_NOTHROW(parse(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    INFO(size << " of " << whole.size() << " bytes");
    CHECK_THROWS_AS(parse(whole.substr(0, size)), DataError);
  }
  CHECK_THROWS_AS(parse(whole + "x"), DataError);
}

TEST_CASE("a missing file is bad input") {
  Context context;
  const TemporaryFolder folder;
  CHECK_THROWS_AS(read_safetensors(context, folder / "none"), DataError);
}

TEST_CASE("names that cannot be written are rejected and nothing is written") {
  Context context;
  const TemporaryFolder folder;
  const Tensor x = Tensor::zeros(context, {1});
  CHECK_THROWS_WITH(write_safetensors(folder / "f", {{"a", x}, {"a", x}}), Contains("\"a\": the name is taken"));
  CHECK_THROWS_AS(write_safetensors(folder / "f", {{"__metadata__", x}}), DataError);
  CHECK_THROWS_WITH(write_safetensors(folder / "f", {{"\xff", x}}), Contains("not valid UTF-8"));
  CHECK_THROWS_AS(write_safetensors(folder / "f", {{"a", x}}, {{"k", "\xff"}}), DataError);
  CHECK_THROWS_WITH(write_safetensors(folder / "f", {{"a", Tensor()}}), Contains("tensor \"a\" has no memory"));
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("a full device stops the writer") {
  Context context;
  CHECK_THROWS_WITH(write_safetensors("/dev/full", {{"a", Tensor::zeros(context, {1000})}}),
                    Contains("No space left on device"));
}
