#include "data/cifar10.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <map>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "data/limit.hpp"
#include "data/memory_dataset.hpp"
#include "engine/core/error.hpp"
#include "engine/core/file.hpp"

namespace bsg::data {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kOfficialRecords = 10000;  // in each file of the official set
constexpr int kTrainFiles = 5;
constexpr const char* kTestFile = "test_batch.bin";
constexpr std::uint64_t kMaxTextBytes = 1 << 20;
constexpr std::size_t kMaxClasses = 256;  // a label is one byte

std::string train_file(int number) { return fmt::format("data_batch_{}.bin", number); }

std::vector<std::string> lines_of(const std::string& path) {
  const std::string text = read_text_file(path, kMaxTextBytes);
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) lines.push_back(std::move(line));
    begin = end + 1;
  }
  return lines;
}

bool exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

std::vector<std::string> read_classes(const std::string& folder) {
  const std::string path = folder + "/batches.meta.txt";
  if (!exists(path)) return cifar10_classes();
  auto classes = lines_of(path);
  if (classes.empty() || classes.size() > kMaxClasses) {
    throw_error<DataError>("{}: names {} classes, expected 1 to {}", path, classes.size(), kMaxClasses);
  }
  return classes;
}

// Records that the file holds by its size.
std::int64_t record_count(const std::string& path) {
  std::error_code error;
  const std::uintmax_t size = fs::file_size(path, error);
  if (error) throw_error<DataError>("{}: {}", path, exists(path) ? error.message() : "no such file");
  if (size == 0 || size % kCifarRecordBytes != 0) {
    throw_error<DataError>("{}: has {} bytes, which is no whole number of records of {} bytes", path, size,
                           kCifarRecordBytes);
  }
  return static_cast<std::int64_t>(size / kCifarRecordBytes);
}

using Files = std::vector<std::string>;

// The training files by batches.counts.txt; each file's size is checked.
Files check_counted(const std::string& folder, const std::string& counts_path) {
  std::map<std::string, std::int64_t> counts;
  for (const std::string& line : lines_of(counts_path)) {
    const std::size_t space = line.find(' ');
    std::int64_t count = 0;
    const char* end = line.data() + line.size();
    const auto parsed = std::from_chars(line.data() + std::min(space + 1, line.size()), end, count);
    if (space == std::string::npos || parsed.ec != std::errc() || parsed.ptr != end || count < 1) {
      throw_error<DataError>("{}: the line '{}' is not a file's name and its number of records", counts_path, line);
    }
    counts[line.substr(0, space)] = count;
  }
  Files train;
  for (int number = 1; number <= kTrainFiles; ++number) {
    if (counts.contains(train_file(number))) train.push_back(train_file(number));
  }
  if (counts.size() != train.size() + 1 || train.empty() || !counts.contains(kTestFile)) {
    throw_error<DataError>("{}: expected data_batch_1.bin .. data_batch_{}.bin, at least one, and {}", counts_path,
                           kTrainFiles, kTestFile);
  }
  for (const auto& [name, count] : counts) {
    const std::string path = folder + "/" + name;
    const std::int64_t found = record_count(path);
    if (found != count) {
      throw_error<DataError>("{}: has {} records, {} says {}", path, found, counts_path, count);
    }
  }
  return train;
}

// The training files of the official layout; each file's size is checked.
Files check_official(const std::string& folder) {
  Files train;
  const std::string first = folder + "/" + train_file(1);
  const std::int64_t expected = record_count(first);
  if (expected > kOfficialRecords) {
    throw_error<DataError>("{}: has {} records, at most {} are expected", first, expected, kOfficialRecords);
  }
  for (int number = 1; number <= kTrainFiles; ++number) {
    train.push_back(train_file(number));
    const std::string path = folder + "/" + train.back();
    const std::int64_t found = record_count(path);
    if (found != expected) throw_error<DataError>("{}: has {} records, {} has {}", path, found, first, expected);
  }
  const std::string test = folder + "/" + kTestFile;
  const std::int64_t found = record_count(test);
  if (found > kOfficialRecords || (expected == kOfficialRecords && found != kOfficialRecords)) {
    throw_error<DataError>("{}: has {} records, {} are expected", test, found, kOfficialRecords);
  }
  return train;
}

}  // namespace

const std::vector<std::string>& cifar10_classes() {
  static const std::vector<std::string> names = {"airplane", "automobile", "bird",  "cat",  "deer",
                                                 "dog",      "frog",       "horse", "ship", "truck"};
  return names;
}

std::vector<Example> parse_cifar10(std::span<const std::byte> bytes, std::int64_t classes,
                                   const std::string& name_for_errors) {
  if (bytes.empty() || bytes.size() % kCifarRecordBytes != 0) {
    throw_error<DataError>("{}: has {} bytes, which is no whole number of records of {} bytes", name_for_errors,
                           bytes.size(), kCifarRecordBytes);
  }
  constexpr std::size_t kPlane = kCifarSide * kCifarSide;
  std::vector<Example> examples(bytes.size() / kCifarRecordBytes);
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const auto record = bytes.subspan(i * kCifarRecordBytes, kCifarRecordBytes);
    examples[i].label = std::to_integer<std::int64_t>(record[0]);
    if (examples[i].label >= classes) {
      throw_error<DataError>("{}: record {} has the label {}, expected 0 to {}", name_for_errors, i, examples[i].label,
                             classes - 1);
    }
    Image& image = examples[i].image;
    image.height = image.width = kCifarSide;
    image.pixels.resize(3 * kPlane);
    for (std::size_t pixel = 0; pixel < kPlane; ++pixel) {
      for (std::size_t c = 0; c < 3; ++c) {
        image.pixels[pixel * 3 + c] = std::to_integer<std::uint8_t>(record[1 + c * kPlane + pixel]);
      }
    }
  }
  return examples;
}

std::shared_ptr<const Dataset> open_cifar10(const std::string& folder, Split split, std::int64_t limit) {
  const auto classes = read_classes(folder);
  const std::string counts = folder + "/batches.counts.txt";
  Files files = exists(counts) ? check_counted(folder, counts) : check_official(folder);
  if (split == Split::test) files = {kTestFile};

  std::vector<Example> examples;
  std::vector<std::int64_t> labels;
  std::vector<std::string> paths;
  std::vector<std::size_t> ends;  // place after the file's last example
  for (const std::string& name : files) {
    paths.push_back(folder + "/" + name);
    const std::int64_t records = record_count(paths.back());
    auto more = parse_cifar10(read_file(paths.back(), static_cast<std::uint64_t>(records * kCifarRecordBytes)),
                              static_cast<std::int64_t>(classes.size()), paths.back());
    for (Example& example : more) {
      labels.push_back(example.label);
      examples.push_back(std::move(example));
    }
    ends.push_back(examples.size());
  }
  const auto places = places_in_turn(labels, limit);
  const auto source = [places, paths, ends](std::int64_t index) {
    const std::size_t place = places[static_cast<std::size_t>(index)];
    std::size_t file = 0;
    while (place >= ends[file]) ++file;
    return fmt::format("{}, record {}", paths[file], place - (file == 0 ? 0 : ends[file - 1]));
  };
  return std::make_shared<MemoryDataset>(taken_at(std::move(examples), places), classes, source);
}

}  // namespace bsg::data
