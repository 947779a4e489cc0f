#include "tools/bsg_train/training_data.hpp"

#include <fmt/format.h>

#include "data/class_frequencies.hpp"
#include "data/segmentation_transform.hpp"
#include "engine/core/error.hpp"
#include "models/registry.hpp"

namespace bsg::tools {
namespace {

struct Transforms {
  std::shared_ptr<const data::Transform> train, test;
};

Transforms of_images(const train::Recipe::Data& recipe, int height, int width) {
  data::ImageTransformOptions options = transform_options(recipe, height, width);
  const auto test = std::make_shared<data::ImageTransform>(options);
  options.crop_padding = recipe.random_resized_crop ? 0 : static_cast<int>(recipe.crop_padding);
  options.random_resized_crop = recipe.random_resized_crop;
  options.crop_scale_min = recipe.crop_scale_min;
  options.color_jitter = {recipe.color_jitter, recipe.color_jitter, recipe.color_jitter};
  options.flip = recipe.flip;
  return {std::make_shared<data::ImageTransform>(options), test};
}

Transforms of_scenes(const train::Recipe::Data& recipe, int height, int width) {
  data::SegmentationTransformOptions options{.height = height, .width = width, .mean = recipe.mean, .std = recipe.std};
  const auto test = std::make_shared<data::SegmentationTransform>(options);
  if (recipe.crop_height > 0) options.height = static_cast<int>(recipe.crop_height);
  if (recipe.crop_width > 0) options.width = static_cast<int>(recipe.crop_width);
  options.training = true;
  options.scale_min = recipe.scale_min;
  options.scale_max = recipe.scale_max;
  options.color_jitter = {recipe.color_jitter, recipe.color_jitter, recipe.color_jitter};
  options.flip = recipe.flip;
  return {std::make_shared<data::SegmentationTransform>(options), test};
}

}  // namespace

TrainingSets open_training_sets(Context& host, const train::Recipe& recipe, const std::string& path,
                                std::uint64_t seed) {
  data::OpenOptions open = open_options(recipe.data);
  const auto train_set = data::open_dataset(path, data::Split::train, open);
  open.limit = 0;
  const auto test_set = data::open_dataset(path, data::Split::test, open);
  const bool pixels = models::task(recipe.model.arch) == nn::Task::segmentation;
  if (pixels != train_set->labels_pixels())
    throw_error<ConfigError>("model.arch = {}: tells {} apart, {} labels {}", recipe.model.arch,
                             pixels ? "pixels" : "images", path, pixels ? "images" : "pixels");
  const bool weighted = recipe.train.class_weights == "median_frequency";
  if (weighted && !pixels)
    throw_error<ConfigError>("train.class_weights = {}: {} labels images, not pixels", recipe.train.class_weights,
                             path);

  TrainingSets sets;
  sets.classes = train_set->classes();
  const int size = models::image_size(recipe.model.arch);
  sets.height = recipe.data.image_height > 0 ? static_cast<int>(recipe.data.image_height) : size;
  sets.width = recipe.data.image_width > 0 ? static_cast<int>(recipe.data.image_width) : size;
  const Transforms transforms =
      pixels ? of_scenes(recipe.data, sets.height, sets.width) : of_images(recipe.data, sets.height, sets.width);
  const auto workers = static_cast<int>(recipe.data.workers);
  sets.train = std::make_unique<LoaderSource>(host, train_set, transforms.train,
                                              data::LoaderOptions{.batch = recipe.train.batch,
                                                                  .shuffle = true,
                                                                  .drop_last = recipe.train.drop_last,
                                                                  .seed = seed,
                                                                  .workers = workers,
                                                                  .skip_unreadable = recipe.data.skip_unreadable});
  sets.test = std::make_unique<LoaderSource>(
      host, test_set, transforms.test,
      data::LoaderOptions{
          .batch = recipe.train.eval_batch, .workers = workers, .skip_unreadable = recipe.data.skip_unreadable});
  if (weighted) sets.class_weights = data::median_frequency_weights(data::count_class_pixels(*train_set));
  return sets;
}

}  // namespace bsg::tools
