#include "data/folder_names.hpp"

#include <algorithm>
#include <cctype>
#include <system_error>

#include "engine/core/error.hpp"

namespace bsg::data {

namespace fs = std::filesystem;

std::vector<std::string> names_in(const std::string& folder,
                                  const std::function<bool(const fs::directory_entry&)>& wanted) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    std::string name = entry->path().filename().string();
    if (!name.starts_with('.') && wanted(*entry)) names.push_back(std::move(name));
  }
  if (error) throw_error<IoError>("cannot read the folder {}: {}", folder, error.message());
  std::sort(names.begin(), names.end());
  return names;
}

bool is_folder(const fs::directory_entry& entry) {
  std::error_code ignored;
  return entry.is_directory(ignored);
}

bool is_image_file(const fs::directory_entry& entry) {
  std::string suffix = entry.path().extension().string();
  for (char& c : suffix) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return (suffix == ".jpg" || suffix == ".jpeg" || suffix == ".png") && !is_folder(entry);
}

std::uint64_t bytes_of_file(const std::string& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  return error ? 0 : size;
}

}  // namespace bsg::data
