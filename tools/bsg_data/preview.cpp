#include <cstdint>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "data/encode_png.hpp"
#include "data/parallel.hpp"
#include "tools/bsg_data/commands.hpp"
#include "tools/bsg_data/new_folder.hpp"
#include "tools/bsg_data/view.hpp"

namespace bsg::tools {

void preview(const ViewOptions& options, const std::string& out) {
  const data::ImageTransform transform = make_view(options);
  NewFolder folder(out);
  const auto dataset = data::open_dataset(options.data, options.split, options.open);
  const auto plane = static_cast<std::size_t>(options.size) * static_cast<std::size_t>(options.size);
  data::for_each_index(dataset->size(), [&](std::int64_t i) {
    std::vector<float> values(3 * plane);
    std::int64_t label = 0;
    Generator random = view_generator(options, transform, i);
    transform.load(*dataset, i, random, values.data(), &label);
    data::Image image{options.size, options.size, std::vector<std::uint8_t>(3 * plane)};
    for (std::size_t pixel = 0; pixel < plane; ++pixel) {
      for (std::size_t c = 0; c < 3; ++c) {
        image.pixels[pixel * 3 + c] = static_cast<std::uint8_t>(values[c * plane + pixel] * 255 + 0.5f);
      }
    }
    folder.write(fmt::format("{:06}.png", i), data::encode_png(image));
  });
  std::string sources;
  for (std::int64_t i = 0; i < dataset->size(); ++i) sources += fmt::format("{:06}.png {}\n", i, dataset->source(i));
  folder.write("sources.txt", sources);
  folder.commit();
  fmt::print("{}: {} images of {} x {} pixels\n", out, dataset->size(), options.size, options.size);
}

}  // namespace bsg::tools
