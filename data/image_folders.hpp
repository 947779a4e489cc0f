// Folders of images: train/CLASS/*.jpg|jpeg|png beside test/ or val/ with the same classes.
#pragma once

#include <memory>
#include <string>

#include "data/dataset.hpp"

namespace bsg::data {

// Classes and, within a class, files are in the order of their names' bytes. Files with another suffix (in any case)
// and names that begin with a dot are left out. Split::test is test/, or val/ where there is no test/.
//
// Throws DataError for a missing split, a split without classes, a class without images, a class that only one split
// has; while the set is decoded here (dataset.hpp), also for the first image that cannot be.
std::shared_ptr<const Dataset> open_image_folders(const std::string& path, Split split, std::int64_t limit = 0);

}  // namespace bsg::data
