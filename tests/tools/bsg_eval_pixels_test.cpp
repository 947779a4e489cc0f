// bsg_eval where pixels have classes.
#include <filesystem>

#include "engine/core/file.hpp"
#include "engine/core/safetensors.hpp"
#include "models/registry.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/image_files.hpp"
#include "tests/support/program.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace bsg;
using bsg::test::ProgramResult;
using bsg::test::TemporaryFolder;
using Catch::Matchers::Contains;
using Json = nlohmann::json;

namespace {

struct Size {
  int height, width;
};

// A folder with images of these sizes: one class above a line that rises from image to image, another below it, and a
// column of pixels without a label.
std::string scenes_in(const TemporaryFolder& folder, const std::vector<Size>& sizes) {
  const std::string path = folder / "scenes";
  for (const char* part : {"train", "trainannot", "val", "valannot"})
    std::filesystem::create_directories(path + "/" + part);
  write_text_file(path + "/classes.txt", "sky\nroad\ntram\n");
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const auto [height, width] = sizes[i];
    test::Pixels annotation{height, width, 1, {}};
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x)
        annotation.values.push_back(x == 0 ? 255 : y < height / 2 - static_cast<int>(i) ? 0 : 1);
    for (const char* split : {"train", "val"}) {
      const std::string name = "/" + std::to_string(i) + ".png";
      write_text_file(path + "/" + split + name, test::encode_png(test::gradient(height, width, 3)));
      write_text_file(path + "/" + split + "annot" + name, test::encode_png(annotation));
    }
  }
  return path;
}

// The state of a network that was just made, as a file.
std::string weights_in(const TemporaryFolder& folder, const std::string& arch, int classes) {
  Context context;
  const int size = models::image_size(arch);
  const auto network =
      models::make_network(context, {.arch = arch, .classes = classes, .height = size, .width = size}, 5);
  NamedTensors tensors;
  for (const auto& [name, tensor] : network->state()) tensors.emplace_back(name, *tensor);
  write_safetensors(folder / (arch + ".safetensors"), tensors);
  return folder / (arch + ".safetensors");
}

}  // namespace

TEST_CASE("bsg_eval: classes of pixels and classes of images are not mixed up") {
  const TemporaryFolder folder;
  const std::string scenes = scenes_in(folder, {{20, 24}}), pixels = weights_in(folder, "pspnet18", 3),
                    images = weights_in(folder, "resnet20", 3);
  const auto fails = [&](const std::vector<std::string>& arguments, int status, const std::string& message) {
    const ProgramResult result = test::run_program("bsg_eval", arguments);
    CAPTURE(arguments);
    CHECK(result.status == status);
    CHECK_THAT(result.err, Contains(message));
    CHECK(result.err.find('\n') == result.err.size() - 1);
  };
  fails({"--data", scenes, "--arch", "resnet20", "--weights", images}, 2,
        "resnet20 tells classes of images, the data has classes of pixels");
  const std::vector<std::string> good = {"--arch", "pspnet18", "--weights", pixels};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), good.begin(), good.end());
    return more;
  };
  fails(with({"--data", "synthetic"}), 2, "pspnet18 tells classes of pixels, the data has classes of images");
  fails(with({"--data", scenes, "--logits", folder / "logits"}), 2, "--logits: pspnet18 tells classes of pixels");
  fails(with({"--data", scenes, "--window", "0,16"}), 2, "--window");
  write_text_file(scenes + "/classes.txt", "sky\nroad\n");
  fails(with({"--data", scenes}), 2, "tells 3 classes apart, the data has 2: sky, road");
}
