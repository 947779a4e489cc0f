// What a folder of a data set holds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace bsg::data {

// Names in a folder that `wanted` takes, in the order of their bytes; names that begin with a dot are hidden. Throws
// IoError when the folder cannot be read.
std::vector<std::string> names_in(const std::string& folder,
                                  const std::function<bool(const std::filesystem::directory_entry&)>& wanted);

// For names_in.
bool is_folder(const std::filesystem::directory_entry& entry);
// .jpg, .jpeg or .png, in any case.
bool is_image_file(const std::filesystem::directory_entry& entry);

// The size of a file; 0 where it cannot be asked: that is reported when the file is read.
std::uint64_t bytes_of_file(const std::string& path);

}  // namespace bsg::data
