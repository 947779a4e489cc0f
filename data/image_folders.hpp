// Folders of images: train/CLASS/*.jpg|jpeg|png beside test/ or val/ with the same classes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "data/dataset.hpp"

namespace bsg::data {

// Sets that decode to no more are held in memory, if all their images are small (256 x 256): of larger ones, most
// transforms show a part at a reduced scale, which is decoded when it is needed. So what a photograph looks like to a
// network does not depend on how many there are.
inline constexpr std::uint64_t kMaxDecodedBytes = std::uint64_t{1} << 30;
inline constexpr std::int64_t kMaxHeldPixels = 1 << 16;

// Classes and, within a class, files are in the order of their names' bytes. Files with another suffix (in any case)
// and names that begin with a dot are left out. Split::test is test/, or val/ where there is no test/.
//
// Throws DataError for a missing split, a split without classes, a class without images, a class that only one split
// has; where the set is held in memory and skip_unreadable does not leave them for later, also for the first image that
// cannot be decoded.
std::shared_ptr<const Dataset> open_image_folders(const std::string& path, Split split, std::int64_t limit = 0,
                                                  std::uint64_t max_decoded_bytes = kMaxDecodedBytes,
                                                  bool skip_unreadable = false);

}  // namespace bsg::data
