// A small segmentation set of three classes.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/core/file.hpp"
#include "tests/support/image_files.hpp"
#include "tests/support/temporary_folder.hpp"

namespace bsg::test {

struct SceneSize {
  int height, width;
};

// A folder with images of these sizes: one class above a line that rises from image to image, another below it, and a
// column of pixels without a label.
inline std::string scenes_in(const TemporaryFolder& folder, const std::vector<SceneSize>& sizes) {
  const std::string path = folder / "scenes";
  for (const char* part : {"train", "trainannot", "val", "valannot"})
    std::filesystem::create_directories(path + "/" + part);
  write_text_file(path + "/classes.txt", "sky\nroad\ntram\n");
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const auto [height, width] = sizes[i];
    Pixels annotation{height, width, 1, {}};
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x)
        annotation.values.push_back(x == 0 ? 255 : y < height / 2 - static_cast<int>(i) ? 0 : 1);
    for (const char* split : {"train", "val"}) {
      const std::string name = "/" + std::to_string(i) + ".png";
      write_text_file(path + "/" + split + name, encode_png(gradient(height, width, 3)));
      write_text_file(path + "/" + split + "annot" + name, encode_png(annotation));
    }
  }
  return path;
}

}  // namespace bsg::test
