#include <array>
#include <string>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "data/encode_png.hpp"
#include "data/parallel.hpp"
#include "data/synthetic.hpp"
#include "tools/bsg_data/commands.hpp"
#include "tools/bsg_data/new_folder.hpp"

namespace bsg::tools {

void synthesize(const std::string& out, const data::OpenOptions& options) {
  NewFolder folder(out);
  const auto& classes = data::synthetic_classes();
  std::string difficulties = "file,difficulty\n";
  struct Part {
    const char* name;
    data::Split split;
    std::int64_t size;
  };
  const std::array<Part, 2> parts = {
      {{"train", data::Split::train, options.synthetic_train}, {"test", data::Split::test, options.synthetic_test}}};
  for (const Part& part : parts) {
    std::vector<std::string> lines(static_cast<std::size_t>(part.size));
    data::for_each_index(part.size, [&](std::int64_t i) {
      const data::Example example = data::draw_synthetic(options.synthetic_seed, part.split, i);
      const std::string name =
          fmt::format("{}/{}/{:07}.png", part.name, classes[static_cast<std::size_t>(example.label)], i);
      folder.write(name, data::encode_png(example.image));
      lines[static_cast<std::size_t>(i)] = fmt::format("{},{}\n", name, example.difficulty);
    });
    for (const std::string& line : lines) difficulties += line;
  }
  folder.write("difficulty.csv", difficulties);
  folder.commit();
  fmt::print("{}: {} training and {} test images of {} classes\n", out, options.synthetic_train, options.synthetic_test,
             classes.size());
}

}  // namespace bsg::tools
