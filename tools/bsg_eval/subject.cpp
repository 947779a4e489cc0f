#include "tools/bsg_eval/subject.hpp"

#include <nlohmann/json.hpp>

#include "engine/core/error.hpp"
#include "engine/train/checkpoint.hpp"
#include "tools/common/loader_source.hpp"
#include "tools/common/recipe_network.hpp"

namespace bsg::tools {
namespace {

constexpr std::int64_t kMaxImageSize = 16384;

std::vector<std::string> class_names(const train::Checkpoint& checkpoint) {
  const auto json = nlohmann::json::parse(checkpoint.text("classes"), nullptr, false);
  try {
    auto names = json.get<std::vector<std::string>>();
    if (!names.empty()) return names;
  } catch (const nlohmann::json::exception&) {
  }
  throw_error<DataError>("{}: the checkpoint's entry \"classes\" is no list of names", checkpoint.source);
}

int image_size(const train::Checkpoint& checkpoint, const char* key) {
  const std::int64_t size = checkpoint.integer(key);
  if (size < 1 || size > kMaxImageSize)
    throw_error<DataError>("{}: the checkpoint's entry \"{}\" is {}, expected 1 to {}", checkpoint.source, key, size,
                           kMaxImageSize);
  return static_cast<int>(size);
}

// The leading extent of the first tensor whose name ends so, or `otherwise`.
int leading_extent(const NamedTensors& tensors, std::string_view ending, int otherwise) {
  for (const auto& [name, tensor] : tensors)
    if (std::string_view(name).ends_with(ending) && tensor.shape().rank() >= 2 && tensor.shape()[0] > 0 &&
        tensor.shape()[0] <= tensor.numel())
      return static_cast<int>(tensor.shape()[0]);
  return otherwise;
}

}  // namespace

std::unique_ptr<nn::Network> Subject::for_size(Context& context, int height, int width) const {
  models::NetworkConfig other = config;
  other.height = height;
  other.width = width;
  auto made = models::make_network(context, other, 0);
  NamedTensors weights;
  for (const auto& [name, tensor] : network->state()) weights.emplace_back(name, *tensor);
  train::load_named_tensors(context, made->state(), weights, file);
  return made;
}

Subject subject_of_checkpoint(Context& context, const std::string& path) {
  const train::Checkpoint checkpoint = train::load_checkpoint(context, path);
  const train::Recipe recipe = train::parse_recipe(checkpoint.text("recipe"), path + ", recipe");
  Subject subject{.file = path, .arch = recipe.model.arch, .classes = class_names(checkpoint)};
  subject.class_count = subject.classes.size();
  const int height = image_size(checkpoint, "image_height"), width = image_size(checkpoint, "image_width");
  subject.open = open_options(recipe.data);
  subject.transform = transform_options(recipe.data, height, width);
  subject.config = network_config(recipe.model, subject.class_count, height, width);
  subject.network = models::make_network(context, subject.config, 0);
  train::load_named_tensors(context, subject.network->state(), checkpoint.network_tensors(), path);
  return subject;
}

Subject subject_of_weights(Context& context, const std::string& arch, const std::string& path) {
  Subject subject{.file = path, .arch = arch};
  const NamedTensors weights = train::load_weights(context, path);
  const int size = models::image_size(arch);
  subject.transform.height = subject.transform.width = size;
  if (size != 32) {
    subject.transform.mean = {0.485, 0.456, 0.406};
    subject.transform.std = {0.229, 0.224, 0.225};
  }
  models::NetworkConfig config{.arch = arch, .height = size, .width = size};
  // The classifier's name in the networks for small images, for large ones, and for pixels.
  for (const char* const classifier : {"linear.weight", "fc.weight", "head.classifier.weight"})
    config.classes = leading_extent(weights, classifier, config.classes);
  config.gate.hidden = leading_extent(weights, ".gate.fc1.weight", config.gate.hidden);
  subject.class_count = static_cast<std::size_t>(config.classes);
  subject.config = config;
  subject.network = models::make_network(context, config, 0);
  train::load_named_tensors(context, subject.network->state(), weights, path);
  return subject;
}

}  // namespace bsg::tools
