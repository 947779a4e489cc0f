#include "tools/bsg_data/view.hpp"

namespace bsg::tools {

data::ImageTransform make_view(const ViewOptions& options) {
  data::ImageTransformOptions transform;
  transform.height = transform.width = options.size;
  transform.mean = {0, 0, 0};
  transform.std = {1, 1, 1};
  transform.resize = options.resize;
  transform.random_resized_crop = transform.flip = options.augment;
  transform.color_jitter = {options.color_jitter, options.color_jitter, options.color_jitter};
  return data::ImageTransform(transform);
}

Generator view_generator(const ViewOptions& options, const data::ImageTransform& transform, std::int64_t index,
                         std::uint64_t pass) {
  Generator random(options.seed, pass);
  random.set_position(static_cast<std::uint64_t>(index) * transform.draws());
  return random;
}

}  // namespace bsg::tools
