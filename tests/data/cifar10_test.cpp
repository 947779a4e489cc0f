#include "data/cifar10.hpp"

#include <filesystem>
#include <fstream>
#include <string>

#include <fmt/core.h>

#include "engine/core/error.hpp"
#include "engine/core/file.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace bsg;
using namespace bsg::data;
using bsg::test::TemporaryFolder;
using Catch::Matchers::Contains;

namespace {

// All red values r, green r + 1, blue r + 2; the first red one 7.
std::string record(int label, int r) {
  std::string bytes(1, static_cast<char>(label));
  for (int c = 0; c < 3; ++c) bytes.append(1024, static_cast<char>(r + c));
  bytes[1] = 7;
  return bytes;
}

std::string records(int count, int first_value = 0) {
  std::string bytes;
  for (int i = 0; i < count; ++i) bytes += record((first_value + i) % 10, first_value + i);
  return bytes;
}

// Five training files of three records each and a test file of two.
void write_small_set(const std::string& folder) {
  for (int i = 0; i < 5; ++i) write_text_file(fmt::format("{}/data_batch_{}.bin", folder, i + 1), records(3, 10 * i));
  write_text_file(folder + "/test_batch.bin", records(2, 50));
}

// The same number of records as the official set, without the time to write it.
void write_sparse(const std::string& path, std::uintmax_t bytes) {
  std::ofstream(path).close();
  std::filesystem::resize_file(path, bytes);
}

void check_rejected(const TemporaryFolder& folder, const std::string& reason) {
  INFO("expected: " << reason);
  CHECK_THROWS_AS(open_dataset(folder.path().string(), Split::train), DataError);
  CHECK_THROWS_WITH(open_dataset(folder.path().string(), Split::train),
                    Contains(folder.path().string()) && Contains(reason));
}

}  // namespace

TEST_CASE("cifar10: records become images, in the order of the files") {
  const TemporaryFolder folder;
  write_small_set(folder.path().string());
  const auto train = open_dataset(folder.path().string(), Split::train);
  REQUIRE(train->size() == 15);
  CHECK(train->classes() == cifar10_classes());
  CHECK(train->classes()[9] == "truck");
  const Example example = train->get(13);  // second record of data_batch_5.bin
  CHECK(example.label == 1);
  CHECK(example.difficulty != example.difficulty);
  CHECK(example.image.height == 32);
  CHECK(example.image.width == 32);
  REQUIRE(example.image.pixels.size() == 3072);
  CHECK(example.image.pixels[0] == 7);
  CHECK(example.image.pixels[1] == 42);
  CHECK(example.image.pixels[2] == 43);
  CHECK(example.image.pixels[3069] == 41);
  CHECK(train->source(13) == (folder / "data_batch_5.bin") + ", record 1");

  const auto test = open_dataset(folder.path().string(), Split::test);
  REQUIRE(test->size() == 2);
  CHECK(test->get(1).image.pixels[1] == 52);
  // Labels are 0 1 2 in every file: the first of each, then the second of label 0.
  const auto limited = open_dataset(folder.path().string(), Split::train, {.limit = 4});
  REQUIRE(limited->size() == 4);
  CHECK(limited->get(3).image.pixels[1] == 11);
  CHECK(limited->source(3) == (folder / "data_batch_2.bin") + ", record 0");
  CHECK(open_dataset(folder.path().string(), Split::test, {.limit = 1})->size() == 1);
}

TEST_CASE("cifar10: also in a folder cifar-10-batches-bin, with names of classes of its own") {
  const TemporaryFolder folder;
  const std::string inside = folder / "cifar-10-batches-bin";
  std::filesystem::create_directory(inside);
  write_small_set(inside);
  CHECK(open_dataset(folder.path().string(), Split::train)->size() == 15);
  // As in the official set: with an empty line at the end.
  write_text_file(inside + "/batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n");
  CHECK(open_dataset(folder.path().string(), Split::train)->classes().back() == "j");
  write_text_file(inside + "/batches.meta.txt", "a\nb\n");
  check_rejected(folder, "data_batch_1.bin: record 2 has the label 2, expected 0 to 1");
}

TEST_CASE("cifar10: files that were cut off, continued or lost") {
  const TemporaryFolder folder;
  write_small_set(folder.path().string());
  SECTION("inside a record") {
    write_text_file(folder / "data_batch_3.bin", records(3).substr(0, 9000));
    check_rejected(folder, "data_batch_3.bin: has 9000 bytes, which is no whole number of records of 3073 bytes");
  }
  SECTION("at the end of a record") {
    write_text_file(folder / "data_batch_5.bin", records(2));
    check_rejected(folder, "data_batch_5.bin: has 2 records");
  }
  SECTION("a byte too many") {
    write_text_file(folder / "test_batch.bin", records(2) + "x");
    check_rejected(folder, "test_batch.bin: has 6147 bytes");
  }
  SECTION("empty") {
    write_text_file(folder / "data_batch_1.bin", "");
    check_rejected(folder, "data_batch_1.bin: has 0 bytes");
  }
  SECTION("missing") {
    std::filesystem::remove(folder / "data_batch_2.bin");
    check_rejected(folder, "data_batch_2.bin: no such file");
  }
  SECTION("test file missing") {
    std::filesystem::remove(folder / "test_batch.bin");
    check_rejected(folder, "test_batch.bin: no such file");
  }
  SECTION("a folder") {
    std::filesystem::remove(folder / "data_batch_1.bin");
    std::filesystem::create_directory(folder / "data_batch_1.bin");
    check_rejected(folder, "data_batch_1.bin: ");
  }
  SECTION("a record more than the official files have") {
    for (int i = 1; i <= 5; ++i) write_sparse(folder / fmt::format("data_batch_{}.bin", i), 10001 * 3073);
    check_rejected(folder, "data_batch_1.bin: has 10001 records, at most 10000");
  }
  SECTION("the official training files beside a test file that was cut off") {
    for (int i = 1; i <= 5; ++i) write_sparse(folder / fmt::format("data_batch_{}.bin", i), 10000 * 3073);
    write_sparse(folder / "test_batch.bin", 9999 * 3073);
    check_rejected(folder, "test_batch.bin: has 9999 records, 10000 are expected");
  }
  SECTION("an impossible label") {
    write_text_file(folder / "data_batch_4.bin", records(2) + record(10, 0));
    check_rejected(folder, "data_batch_4.bin: record 2 has the label 10, expected 0 to 9");
  }
}

TEST_CASE("cifar10: batches.counts.txt says what the files hold") {
  const TemporaryFolder folder;
  write_text_file(folder / "data_batch_1.bin", records(4));
  write_text_file(folder / "data_batch_2.bin", records(1));
  write_text_file(folder / "test_batch.bin", records(2));
  const std::string counts = folder / "batches.counts.txt";
  write_text_file(counts, "data_batch_1.bin 4\ndata_batch_2.bin 1\ntest_batch.bin 2\n");
  CHECK(open_dataset(folder.path().string(), Split::train)->size() == 5);
  CHECK(open_dataset(folder.path().string(), Split::test)->size() == 2);

  write_text_file(counts, "data_batch_1.bin 5\ndata_batch_2.bin 1\ntest_batch.bin 2\n");
  check_rejected(folder, "data_batch_1.bin: has 4 records, ");
  for (const char* bad : {"data_batch_1.bin\n", "data_batch_1.bin x\n", "data_batch_1.bin -4\n",
                          "data_batch_1.bin 4 \x01\n", "data_batch_1.bin 99999999999999999999\n"}) {
    write_text_file(counts, bad);
    check_rejected(folder, "batches.counts.txt: the line '");
  }
  for (const char* bad :
       {"", "data_batch_1.bin 4\n", "test_batch.bin 2\n", "../x 1\ndata_batch_1.bin 4\ntest_batch.bin 2\n"}) {
    write_text_file(counts, bad);
    check_rejected(folder, "batches.counts.txt: expected data_batch_1.bin");
  }
}

TEST_CASE("cifar10: bytes from memory") {
  const std::string bytes = records(2) + record(255, 1);
  const auto parse = [](const std::string& text, std::int64_t classes) {
    return parse_cifar10(std::as_bytes(std::span(text)), classes, "f.bin");
  };
  CHECK(parse(bytes, 256).size() == 3);
  CHECK(parse(bytes, 256).back().label == 255);
  CHECK_THROWS_WITH(parse(bytes, 10), "f.bin: record 2 has the label 255, expected 0 to 9");
  CHECK_THROWS_AS(parse("", 10), DataError);
  CHECK_THROWS_AS(parse(bytes.substr(1), 256), DataError);
}
