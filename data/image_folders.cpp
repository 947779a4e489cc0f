#include "data/image_folders.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/ranges.h>

#include "data/decode.hpp"
#include "data/folder_names.hpp"
#include "data/limit.hpp"
#include "data/memory_dataset.hpp"
#include "engine/core/error.hpp"

namespace bsg::data {
namespace {

namespace fs = std::filesystem;

struct File {
  std::string path;
  std::int64_t label = 0;
};

std::vector<std::string> class_names(const std::string& folder, const std::string& other_split) {
  auto names = names_in(folder, is_folder);
  if (!names.empty()) return names;
  if (!names_in(folder, is_image_file).empty()) {
    throw_error<DataError>(
        "{}: holds images but no folder per class: move each image into a folder that is named as its class, as in {}",
        folder, other_split);
  }
  throw_error<DataError>("{}: holds no folder per class", folder);
}

void require_same_classes(const std::string& here, const std::vector<std::string>& ours, const std::string& there,
                          const std::vector<std::string>& theirs) {
  std::vector<std::string> missing;
  std::set_difference(ours.begin(), ours.end(), theirs.begin(), theirs.end(), std::back_inserter(missing));
  if (missing.empty()) return;
  throw_error<DataError>("{}: has the {} {}, which {} has not", here, missing.size() == 1 ? "class" : "classes",
                         fmt::join(missing, ", "), there);
}

std::vector<File> list_files(const std::string& folder, const std::vector<std::string>& classes) {
  std::vector<File> files;
  for (std::size_t label = 0; label < classes.size(); ++label) {
    const std::string class_folder = folder + "/" + classes[label];
    const auto names = names_in(class_folder, is_image_file);
    if (names.empty()) throw_error<DataError>("{}: holds no .jpg, .jpeg or .png file", class_folder);
    for (const std::string& name : names)
      files.push_back({class_folder + "/" + name, static_cast<std::int64_t>(label)});
  }
  return files;
}

class FileDataset : public Dataset {
 public:
  FileDataset(std::vector<File> files, std::vector<std::string> classes)
      : files_(std::move(files)), classes_(std::move(classes)) {}

  std::int64_t size() const override { return static_cast<std::int64_t>(files_.size()); }
  Example get(std::int64_t index) const override {
    const File& file = files_[static_cast<std::size_t>(index)];
    return {.image = read_image(file.path), .label = file.label};
  }
  FramedExample get_framed(std::int64_t index, const FrameChoice& choose) const override {
    const File& file = files_[static_cast<std::size_t>(index)];
    Excerpt excerpt = read_image(file.path, choose);
    return {{.image = std::move(excerpt.image), .label = file.label}, excerpt.box};
  }
  std::string source(std::int64_t index) const override { return files_[static_cast<std::size_t>(index)].path; }
  const std::vector<std::string>& classes() const override { return classes_; }

  // What the files take; they decode to more.
  std::uint64_t file_bytes() const {
    std::uint64_t bytes = 0;
    for (const File& file : files_) bytes += bytes_of_file(file.path);
    return bytes;
  }

 private:
  std::vector<File> files_;
  std::vector<std::string> classes_;
};

}  // namespace

std::shared_ptr<const Dataset> open_image_folders(const std::string& path, Split split, std::int64_t limit,
                                                  std::uint64_t max_decoded_bytes, bool skip_unreadable) {
  const std::string train = path + "/train";
  std::error_code ignored;
  const std::string test = fs::is_directory(path + "/test", ignored) ? path + "/test" : path + "/val";
  if (!fs::is_directory(train, ignored)) throw_error<DataError>("{}: has no folder train", path);
  if (!fs::is_directory(test, ignored)) throw_error<DataError>("{}: has no folder test or val", path);
  auto classes = class_names(train, test);
  const auto test_classes = class_names(test, train);
  require_same_classes(train, classes, test, test_classes);
  require_same_classes(test, test_classes, train, classes);

  auto files = list_files(split == Split::train ? train : test, classes);
  if (limit > 0) {
    std::vector<std::int64_t> labels;
    for (const File& file : files) labels.push_back(file.label);
    files = taken_at(std::move(files), places_in_turn(labels, limit));
  }
  const auto dataset = std::make_shared<FileDataset>(std::move(files), std::move(classes));
  if (dataset->file_bytes() > max_decoded_bytes) return dataset;
  return held_in_memory(dataset, {.bytes = max_decoded_bytes, .image_pixels = kMaxHeldPixels}, skip_unreadable);
}

}  // namespace bsg::data
