#include "data/segmentation_folders.hpp"

#include <filesystem>
#include <functional>
#include <map>
#include <system_error>
#include <utility>
#include <vector>

#include "data/decode.hpp"
#include "data/folder_names.hpp"
#include "data/label_png.hpp"
#include "data/limit.hpp"
#include "data/memory_dataset.hpp"
#include "data/segmentation_classes.hpp"
#include "engine/core/error.hpp"
#include "engine/core/file.hpp"

namespace bsg::data {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxClassesFileBytes = 1 << 16;

struct Pair {
  std::string image, annotation;  // paths
};

class PairDataset : public Dataset {
 public:
  PairDataset(std::vector<Pair> pairs, PixelClasses classes) : pairs_(std::move(pairs)), classes_(std::move(classes)) {}

  std::int64_t size() const override { return static_cast<std::int64_t>(pairs_.size()); }
  Example get(std::int64_t index) const override {
    const Pair& pair = pairs_[static_cast<std::size_t>(index)];
    Example example{.image = read_image(pair.image), .annotation = read_label_png(pair.annotation)};
    const Image& image = example.image;
    const LabelMap& annotation = example.annotation;
    if (image.height != annotation.height || image.width != annotation.width) {
      throw_error<DataError>("{}: has {} x {} pixels, its image {} has {} x {}", pair.annotation, annotation.width,
                             annotation.height, pair.image, image.width, image.height);
    }
    number_to_label(classes_, example.annotation, pair.annotation);
    return example;
  }
  std::string source(std::int64_t index) const override { return pairs_[static_cast<std::size_t>(index)].image; }
  const std::vector<std::string>& classes() const override { return classes_.names; }
  bool labels_pixels() const override { return true; }

 private:
  std::vector<Pair> pairs_;
  PixelClasses classes_;
};

std::shared_ptr<const Dataset> opened(std::vector<Pair> pairs, PixelClasses classes, std::int64_t limit,
                                      std::uint64_t max_decoded_bytes) {
  const std::size_t count = pairs.size();
  if (limit > 0 && static_cast<std::size_t>(limit) < count) {
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < static_cast<std::size_t>(limit); ++i) {
      places.push_back(i * count / static_cast<std::size_t>(limit));
    }
    pairs = taken_at(std::move(pairs), places);
  }
  std::uint64_t bytes = 0;  // on disk; they decode to more
  for (const Pair& pair : pairs) bytes += bytes_of_file(pair.image) + bytes_of_file(pair.annotation);
  const auto dataset = std::make_shared<PairDataset>(std::move(pairs), std::move(classes));
  if (bytes > max_decoded_bytes) return dataset;
  return held_in_memory(dataset, {.bytes = max_decoded_bytes});
}

bool is_folder_at(const std::string& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

bool is_png_file(const fs::directory_entry& entry) {
  return is_image_file(entry) && entry.path().extension() == ".png";
}

// Paths by what an image and its annotation have in common.
using Files = std::map<std::string, std::string>;

// A folder's files by what stands before the suffix.
Files files_by_stem(const std::string& folder, bool (*wanted)(const fs::directory_entry&)) {
  Files files;
  for (const std::string& name : names_in(folder, wanted)) {
    const std::string path = folder + "/" + name;
    const auto [there, added] = files.emplace(fs::path(name).stem().string(), path);
    if (!added) throw_error<DataError>("{}: belongs to the same annotation as {}", path, there->second);
  }
  return files;
}

// Where the file would be that is missing of a pair.
using Place = std::function<std::string(const std::string& stem)>;

std::vector<Pair> paired(const Files& images, const Files& annotations, const Place& image_of,
                         const Place& annotation_of) {
  std::vector<Pair> pairs;
  for (const auto& [stem, image] : images) {
    const auto annotation = annotations.find(stem);
    if (annotation == annotations.end()) {
      throw_error<DataError>("{}: has no annotation {}", image, annotation_of(stem));
    }
    pairs.push_back({image, annotation->second});
  }
  for (const auto& [stem, annotation] : annotations) {
    if (!images.contains(stem)) throw_error<DataError>("{}: has no image {}", annotation, image_of(stem));
  }
  return pairs;
}

bool has_split(const std::string& path, const std::string& split) {
  return is_folder_at(path + "/" + split) && is_folder_at(path + "/" + split + "annot");
}

// Files CITY/NAME + suffix in a folder by CITY/NAME.
Files files_of_cities(const std::string& folder, const std::string& suffix) {
  Files files;
  for (const std::string& city : names_in(folder, is_folder)) {
    for (const std::string& name : names_in(folder + "/" + city, is_png_file)) {
      if (!name.ends_with(suffix)) continue;
      files[city + "/" + name.substr(0, name.size() - suffix.size())] = folder + "/" + city + "/" + name;
    }
  }
  return files;
}

}  // namespace

bool has_annotated_folders(const std::string& path) {
  return has_split(path, "train") || has_split(path, "val") || has_split(path, "test");
}

std::shared_ptr<const Dataset> open_annotated_folders(const std::string& path, Split split, std::int64_t limit,
                                                      std::uint64_t max_decoded_bytes) {
  if (!has_split(path, "train")) throw_error<DataError>("{}: has no folders train and trainannot", path);
  const std::string test = has_split(path, "test") ? "test" : "val";
  if (!has_split(path, test)) {
    throw_error<DataError>("{}: has no folders val and valannot, or test and testannot", path);
  }
  const std::string names = path + "/classes.txt";
  std::error_code ignored;
  const PixelClasses classes = fs::exists(names, ignored)
                                   ? parse_pixel_classes(read_text_file(names, kMaxClassesFileBytes), names)
                                   : camvid_classes();
  const std::string images = path + "/" + (split == Split::train ? "train" : test);
  const std::string annotations = images + "annot";
  const Files of_images = files_by_stem(images, is_image_file);
  if (of_images.empty()) throw_error<DataError>("{}: holds no .jpg, .jpeg or .png file", images);
  auto pairs = paired(
      of_images, files_by_stem(annotations, is_png_file),
      [&](const std::string& stem) { return images + "/" + stem + ".jpg or .png"; },
      [&](const std::string& stem) { return annotations + "/" + stem + ".png"; });
  return opened(std::move(pairs), classes, limit, max_decoded_bytes);
}

bool has_cityscapes(const std::string& path) { return is_folder_at(path + "/leftImg8bit"); }

std::shared_ptr<const Dataset> open_cityscapes(const std::string& path, Split split, std::int64_t limit,
                                               std::uint64_t max_decoded_bytes) {
  const std::string name = split == Split::train ? "train" : "val";
  const std::string images = path + "/leftImg8bit/" + name, annotations = path + "/gtFine/" + name;
  for (const std::string& folder : {images, annotations}) {
    if (!is_folder_at(folder)) throw_error<DataError>("{}: no such folder", folder);
  }
  const std::string of_image = "_leftImg8bit.png";
  std::string of_annotation = "_gtFine_labelTrainIds.png";
  PixelClasses classes = cityscapes_train_ids();
  const Files image_files = files_of_cities(images, of_image);
  if (image_files.empty()) throw_error<DataError>("{}: holds no CITY/*{}", images, of_image);
  Files annotation_files = files_of_cities(annotations, of_annotation);
  if (annotation_files.empty()) {
    of_annotation = "_gtFine_labelIds.png";
    classes = cityscapes_label_ids();
    annotation_files = files_of_cities(annotations, of_annotation);
  }
  if (annotation_files.empty()) {
    throw_error<DataError>("{}: holds no CITY/*_gtFine_labelTrainIds.png or *_gtFine_labelIds.png", annotations);
  }
  auto pairs = paired(
      image_files, annotation_files, [&](const std::string& stem) { return images + "/" + stem + of_image; },
      [&](const std::string& stem) { return annotations + "/" + stem + of_annotation; });
  return opened(std::move(pairs), std::move(classes), limit, max_decoded_bytes);
}

}  // namespace bsg::data
