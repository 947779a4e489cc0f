// What the numbers in the annotations of a segmentation set mean.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/dataset.hpp"

namespace bsg::data {

struct PixelClasses {
  static constexpr std::uint8_t kUndefined = 254;  // in `labels`: a number that annotations must not have
  static constexpr std::size_t kMaxClasses = 254;

  std::vector<std::string> names;  // by label
  // Of the number that is stored: a label, LabelMap::kIgnored (always for 255) or kUndefined.
  std::array<std::uint8_t, 256> labels;
  std::string source;  // for messages: whose classes they are
};

// The 11 classes that are usual for CamVid, in the order of SegNet's copy; 11 is ignored.
PixelClasses camvid_classes();

// The 19 classes of Cityscapes' benchmark: of *_labelTrainIds.png, and of *_labelIds.png, whose other numbers up to 33
// are ignored (https://github.com/mcordts/cityscapesScripts, helpers/labels.py).
PixelClasses cityscapes_train_ids();
PixelClasses cityscapes_label_ids();

// A file of names, one a line: the first line names the number 0, the next one 1. A line `ignored` is a number of no
// class; labels count the others. Throws DataError, "NAME: what is wrong", for no class or more than kMaxClasses, an
// empty line, a name that comes twice.
PixelClasses parse_pixel_classes(std::string_view text, const std::string& name_for_errors);

// Replaces the numbers of an annotation by labels. Throws DataError, naming the number and its pixel, for one that is
// undefined.
void number_to_label(const PixelClasses& classes, LabelMap& annotation, const std::string& name_for_errors);

}  // namespace bsg::data
