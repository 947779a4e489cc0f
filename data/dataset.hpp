// Labelled images: how many there are, and image i with its label or with a label for each of its pixels.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "data/frame.hpp"

namespace bsg::data {

// 8-bit RGB, rows from the top, [height][width][3].
struct Image {
  int height = 0, width = 0;
  std::vector<std::uint8_t> pixels;
};

// A part of an image, perhaps at a reduced scale, and where in it, in its own pixels, the box lies that was asked for.
struct Excerpt {
  Image image;
  Box box;
};

// Labels of an image's pixels, rows from the top, [height][width]; kIgnored where a pixel belongs to no class.
struct LabelMap {
  int height = 0, width = 0;
  std::vector<std::uint8_t> labels;

  static constexpr std::uint8_t kIgnored = 255;
};

struct Example {
  Image image;
  std::int64_t label = 0;
  LabelMap annotation;  // segmentation sets only
  // How hard the image was made, in [0, 1]; NaN where nobody knows (every set but the synthetic one).
  float difficulty = std::numeric_limits<float>::quiet_NaN();
};

struct FramedExample {
  Example example;
  Box box;  // as in an Excerpt of its image
};

// Thread-safe: get may be called from several threads at once.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual std::int64_t size() const = 0;
  // 0 <= index < size(). Throws DataError, naming the file, when it cannot be read or decoded.
  virtual Example get(std::int64_t index) const = 0;
  // The example with no more of its image than the frame needs, where that is less work; otherwise with all of it. The
  // annotation is whole. `choose` is called once. Throws also what decode_image throws for a frame (data/decode.hpp).
  virtual FramedExample get_framed(std::int64_t index, const FrameChoice& choose) const;
  // Where example `index` came from: a file's path, or a description ("data_batch_1.bin, record 17"). For messages.
  virtual std::string source(std::int64_t index) const = 0;
  // Names by label.
  virtual const std::vector<std::string>& classes() const = 0;
  // Whether examples have an annotation, a label for each pixel, and no label of their own.
  virtual bool labels_pixels() const { return false; }
};

enum class Split { train, test };

struct OpenOptions {
  // Of the built-in generator; other sets ignore them.
  std::int64_t synthetic_train = 10000, synthetic_test = 2000;
  std::uint64_t synthetic_seed = 1;
  // Only so many examples of the split, the first of each class in turn or, where pixels have classes, evenly spaced;
  // in the old order. 0: all.
  std::int64_t limit = 0;
  // Of image folders: an image that cannot be read is an error of its own, not of the whole set.
  bool skip_unreadable = false;
};

enum class Layout { synthetic, cifar10, image_folders, annotated_folders, cityscapes };
struct Location {
  Layout layout;
  std::string folder;  // that holds the files or the splits
};
// What open_dataset would open; throws what it throws for an unknown layout.
Location locate_dataset(const std::string& path);

// One split of the data at `path`, whose layout is recognised:
//   "synthetic"          the built-in generator (data/synthetic.hpp)
//   CIFAR-10's binaries  data_batch_1.bin .. data_batch_5.bin, test_batch.bin (also in a folder cifar-10-batches-bin)
//   image folders        train/CLASS/*.jpg|jpeg|png with test/ or val/; classes in the order of their names
//   annotated folders    train/*.jpg|jpeg|png, trainannot/*.png with val/, valannot/ or test/, testannot/, as CamVid
//   Cityscapes           leftImg8bit/, gtFine/
// The last two (data/segmentation_folders.hpp) are also found in a folder that is the only one in `path`.
// Images are decoded once where the set is small (all of it within 1 GiB; in image folders, no image of more than 256 x
// 256 pixels), on demand otherwise. Throws DataError,
// naming the path and what was found, for anything else, a truncated or oversized file, a label out of range, an empty
// folder, a class that only one split has.
std::shared_ptr<const Dataset> open_dataset(const std::string& path, Split split, const OpenOptions& options = {});

}  // namespace bsg::data
