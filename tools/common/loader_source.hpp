// What stands between the training loop, which knows no data sets, and the loader, which knows no training.
#pragma once

#include <memory>

#include "data/image_transform.hpp"
#include "data/loader.hpp"
#include "engine/train/batch_source.hpp"
#include "engine/train/recipe.hpp"

namespace bsg::tools {

class LoaderSource : public train::BatchSource {
 public:
  LoaderSource(Context& context, std::shared_ptr<const data::Dataset> dataset,
               std::shared_ptr<const data::Transform> transform, const data::LoaderOptions& options)
      : loader_(context, std::move(dataset), std::move(transform), options) {}

  std::int64_t batches() const override { return loader_.batches(); }
  std::int64_t examples() const override { return loader_.examples(); }
  void start(std::int64_t epoch, std::int64_t first_batch) override { loader_.start(epoch, first_batch); }
  const data::Unreadable& unreadable() const { return loader_.unreadable(); }
  bool next(train::LabelledImages& batch) override {
    data::Batch loaded;
    if (!loader_.next(loaded)) return false;
    batch = {std::move(loaded.images), std::move(loaded.labels)};
    return true;
  }

 private:
  data::Loader loader_;
};

// What a recipe says of data, in the data layer's words.
inline data::OpenOptions open_options(const train::Recipe::Data& data) {
  return {.synthetic_train = data.synthetic_train,
          .synthetic_test = data.synthetic_test,
          .synthetic_seed = static_cast<std::uint64_t>(data.synthetic_seed),
          .limit = data.limit,
          .skip_unreadable = data.skip_unreadable};
}

// Without augmentation.
inline data::ImageTransformOptions transform_options(const train::Recipe::Data& data, int height, int width) {
  return {
      .height = height, .width = width, .mean = data.mean, .std = data.std, .resize = static_cast<int>(data.resize)};
}

}  // namespace bsg::tools
