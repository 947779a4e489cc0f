#include "engine/core/npy.hpp"

#include <cstdint>
#include <cstring>
#include <string>

#include "engine/core/error.hpp"
#include "engine/core/file.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace bsg;
using bsg::test::TemporaryFolder;
using Catch::Matchers::Contains;

namespace {

std::string file_with(const std::string& header, std::size_t data, char major = 1) {
  std::string file = std::string("\x93NUMPY") + major + '\0';
  const auto length = static_cast<std::uint32_t>(header.size());
  file.append(reinterpret_cast<const char*>(&length), major == 1 ? 2 : 4);
  file += header;
  for (std::size_t i = 0; i < data; ++i) file += static_cast<char>(i);
  return file;
}

std::string header_of(const std::string& shape, const std::string& descr = "|u1", const std::string& order = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }\n";
}

Tensor parse(const std::string& file) {
  Context context;
  return parse_npy(context, std::as_bytes(std::span(file)), "f.npy");
}

void check_rejected(const std::string& file, const std::string& reason) {
  INFO("expected: " << reason);
  CHECK_THROWS_AS(parse(file), DataError);
  CHECK_THROWS_WITH(parse(file), Contains("f.npy: ") && Contains(reason));
}

}  // namespace

TEST_CASE("npy: arrays of every type, empty ones and scalars come back as they were") {
  Context context;
  const TemporaryFolder folder;
  const std::vector<Tensor> tensors = {
      Tensor::from<float>(context, {2, 2}, std::vector<float>{1.5f, -0.0f, 1e-40f, 3}),
      Tensor::from<double>(context, {1, 1, 2}, std::vector<double>{1e300, -1}),
      Tensor::from<std::int64_t>(context, {1}, std::vector<std::int64_t>{INT64_MIN}),
      Tensor::from<std::int32_t>(context, {3}, std::vector<std::int32_t>{1, INT32_MIN, 7}),
      Tensor::from<std::uint8_t>(context, {1, 2, 1, 1, 1, 1}, std::vector<std::uint8_t>{0, 255}),
      Tensor::zeros(context, {0, 5}),
      Tensor::full(context, {}, 3)};
  for (const Tensor& tensor : tensors) {
    INFO(to_string(tensor.dtype()) << " " << tensor.shape().str());
    write_npy(folder / "f.npy", tensor);
    const Tensor read = read_npy(context, folder / "f.npy");
    CHECK(read.shape() == tensor.shape());
    CHECK(read.dtype() == tensor.dtype());
    if (tensor.bytes() > 0) CHECK(std::memcmp(read.raw(), tensor.raw(), tensor.bytes()) == 0);
  }
}

TEST_CASE("npy: what is written is NumPy's own form, byte by byte") {
  Context context;
  const TemporaryFolder folder;
  write_npy(folder / "f.npy", Tensor::from<std::uint8_t>(context, {2}, std::vector<std::uint8_t>{7, 8}));
  std::string header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }";
  header += std::string(117 - header.size(), ' ') + "\n";  // 10 + 118 = 128
  CHECK(read_text_file(folder / "f.npy", 1000) == std::string("\x93NUMPY\x01\x00\x76\x00", 10) + header + "\x07\x08");
}

TEST_CASE("npy: versions 2 and 3 have a longer length field") {
  CHECK(parse(file_with(header_of("(2, 3)"), 6, 2)).shape() == Shape{2, 3});
  CHECK(parse(file_with(header_of("(2, 3)"), 6, 3)).data<std::uint8_t>()[5] == 5);
}

TEST_CASE("npy: keys in another order, double quotes, other spaces and no last comma are accepted") {
  CHECK(parse(file_with("{\"shape\":(2,3),\"fortran_order\":False,\"descr\":\"<u1\"}", 6)).shape() == Shape{2, 3});
  CHECK(parse(file_with("{ 'shape' : ( 2 , 3 , ) , 'descr' : '|u1' , 'fortran_order' : False }  \n", 6)).numel() == 6);
}

TEST_CASE("npy: what is no .npy file is rejected") {
  check_rejected("", "is no .npy file");
  check_rejected("\x93NUMP", "is no .npy file");
  check_rejected("PK\x03\x04 something else", "is no .npy file");
}
TEST_CASE("npy: unknown versions are rejected") {
  check_rejected(file_with(header_of("()"), 1, 4), ".npy version 4.0 is not supported");
  check_rejected(file_with(header_of("()"), 1, 0), ".npy version 0.0 is not supported");
}
TEST_CASE("npy: header lengths that lie are rejected") {
  check_rejected(std::string("\x93NUMPY\x01\x00\xff\xff", 10), "65535 is more than the 0 bytes that follow");
  check_rejected(std::string("\x93NUMPY\x02\x00\xff\xff\xff\xff", 12), "4294967295 is over the limit");
  check_rejected(std::string("\x93NUMPY\x02\x00\x01\x00", 10), "ends in its header length");
  check_rejected(std::string("\x93NUMPY\x01\x00\x00\x00", 10), "the header ends where '{' is expected");
}
TEST_CASE("npy: a header that is no such dictionary is rejected") {
  check_rejected(file_with("[]", 0), "byte 0 of the header is '[', expected '{'");
  check_rejected(file_with("{}", 0), "the header has no 'descr'");
  check_rejected(file_with("{'descr': '<f4', 'shape': ()}", 4), "the header has no 'fortran_order'");
  check_rejected(file_with("{'descr': '<f4', 'fortran_order': False}", 4), "the header has no 'shape'");
  check_rejected(file_with("{'descr': '<f4', 'descr': '<f4'}", 4), "the key 'descr' twice");
  check_rejected(file_with("{'other': 1}", 4), "the unknown key 'other'");
  check_rejected(file_with(header_of("()") + "x", 1), "expected the end of the header");
  check_rejected(file_with("{'descr", 0), "the end of a short plain text");
  check_rejected(file_with("{'" + std::string(1000, 'x') + "'", 0), "the end of a short plain text");
  check_rejected(file_with("{'descr' '<f4'}", 0), "expected ':'");
  check_rejected(file_with("{'descr': [('a', '<f4')]}", 0), "expected a quoted text");
  check_rejected(file_with("{'descr': '<f4' 'x'", 0), "expected ','");
}
TEST_CASE("npy: shapes that are none are rejected") {
  check_rejected(file_with(header_of("(3)"), 3), "expected ','");
  check_rejected(file_with(header_of("3"), 3), "expected '('");
  check_rejected(file_with(header_of("(-3,)"), 3), "expected a whole number >= 0");
  check_rejected(file_with(header_of("(3.0,)"), 3), "expected ','");
  check_rejected(file_with(header_of("(,)"), 3), "expected a whole number");
  check_rejected(file_with(header_of("(3,,)"), 3), "expected a whole number");
  check_rejected(file_with(header_of("((3,),)"), 3), "expected a whole number");
  check_rejected(file_with(header_of("(99999999999999999999,)"), 3), "an extent that is too large");
  check_rejected(file_with(header_of("(1, 1, 1, 1, 1, 1, 1)"), 1), "more than 6 dimensions");
}
TEST_CASE("npy: a shape whose product wraps around is rejected") {
  check_rejected(file_with(header_of("(4294967296, 4294967296)"), 0), "is too large");
  check_rejected(file_with(header_of("(2305843009213693952,)", "<f8"), 0), "is too large");
  check_rejected(file_with(header_of("(0, 9223372036854775807)"), 0), "is too large");
}
TEST_CASE("npy: other types and orders are rejected by name") {
  check_rejected(file_with(header_of("(1,)", ">f4"), 4), "the type '>f4' is not supported");
  check_rejected(file_with(header_of("(1,)", "<c8"), 8), "the type '<c8' is not supported");
  check_rejected(file_with(header_of("(1,)", "|O"), 8), "the type '|O' is not supported");
  check_rejected(file_with(header_of("(1,)", "|u1", "True"), 1), "Fortran order");
  check_rejected(file_with(header_of("(1,)", "|u1", "0"), 1), "expected True or False");
}
TEST_CASE("npy: too little and too much data are rejected") {
  check_rejected(file_with(header_of("(2, 3)", "<f4"), 23),
                 "<f4 of shape (2, 3) needs 24 bytes of data, the file has 23");
  check_rejected(file_with(header_of("(2, 3)"), 7), "needs 6 bytes of data, the file has 7");
}
TEST_CASE("npy: a file that is cut off anywhere is rejected") {
  const std::string whole = file_with(header_of("(2, 3)"), 6, 2);
  REQUIRE_NOTHROW(parse(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) CHECK_THROWS_AS(parse(whole.substr(0, size)), DataError);
}
TEST_CASE("npy: a missing file is bad input, a full device an I/O error") {
  Context context;
  const TemporaryFolder folder;
  CHECK_THROWS_AS(read_npy(context, folder / "none"), DataError);
  CHECK_THROWS_AS(write_npy("/dev/full", Tensor::zeros(context, {1})), IoError);
  CHECK_THROWS_AS(write_npy(folder / "f", Tensor()), DataError);
}
