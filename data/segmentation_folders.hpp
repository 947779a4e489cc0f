// Segmentation sets: images, each with an annotation, a PNG file that has the class of every pixel
// (data/label_png.hpp). Examples are in the order of their files' names; their label is 0.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "data/dataset.hpp"
#include "data/image_folders.hpp"

namespace bsg::data {

// train/NAME.jpg|jpeg|png with trainannot/NAME.png, and val/ with valannot/ or test/ with testannot/, as the usual copy
// of CamVid has them. Split::test is test/, or val/ where there is no test/ with testannot/.
//
// classes.txt beside the folders names the classes (parse_pixel_classes); without it they are CamVid's.
//
// limit: only so many examples, evenly spaced: neighbours are frames of one drive. 0: all.
//
// Throws DataError for a missing split, an empty one, an image without an annotation, an annotation without an image,
// two images of one name. Where the set is held in memory, also for the first example that cannot be read: an image or
// annotation that cannot be decoded, sizes that differ, a number that is no class; otherwise get does.
std::shared_ptr<const Dataset> open_annotated_folders(const std::string& path, Split split, std::int64_t limit = 0,
                                                      std::uint64_t max_decoded_bytes = kMaxDecodedBytes);
// Whether the folder has such a split.
bool has_annotated_folders(const std::string& path);

// Cityscapes' own layout: leftImg8bit/SPLIT/CITY/NAME_leftImg8bit.png with
// gtFine/SPLIT/CITY/NAME_gtFine_labelTrainIds.png or, for splits that have no such file, NAME_gtFine_labelIds.png.
// Split::test is val: the annotations of test are not public. Throws as above.
std::shared_ptr<const Dataset> open_cityscapes(const std::string& path, Split split, std::int64_t limit = 0,
                                               std::uint64_t max_decoded_bytes = kMaxDecodedBytes);
bool has_cityscapes(const std::string& path);

}  // namespace bsg::data
