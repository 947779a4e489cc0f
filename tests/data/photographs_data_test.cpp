#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include "data/image_transform.hpp"
#include "data/loader.hpp"
#include "data/resize.hpp"
#include "engine/core/context.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/real_data.hpp"

using namespace bsg;
using namespace bsg::data;

namespace {

ImageTransformOptions options_224() {
  ImageTransformOptions options;
  options.height = options.width = 224;
  options.mean = {0.485, 0.456, 0.406};
  options.std = {0.229, 0.224, 0.225};
  return options;
}

}  // namespace

TEST_CASE("real photographs: all decode and augment, the same with any number of threads") {
  const std::string folder = bsg::test::photographs();
  if (folder.empty()) return;
  const auto train = open_dataset(folder, Split::train);
  REQUIRE(train->size() == 100);
  CHECK(train->classes().size() == 100);
  ImageTransformOptions options = options_224();
  options.random_resized_crop = options.flip = true;
  options.color_jitter = {0.4, 0.4, 0.4};
  const auto transform = std::make_shared<ImageTransform>(options);
  Context context;
  Loader one(context, train, transform, {.batch = 10, .shuffle = true, .seed = 1});
  Loader two(context, train, transform, {.batch = 10, .shuffle = true, .seed = 1, .workers = 2});
  one.start(0);
  two.start(0);
  double sum = 0, squares = 0;
  std::int64_t images = 0;
  for (Batch a, b; one.next(a);) {
    REQUIRE(two.next(b));
    CHECK(std::equal(a.images.span<float>().begin(), a.images.span<float>().end(), b.images.span<float>().begin()));
    CHECK(a.indices == b.indices);
    for (const float value : a.images.span<float>()) {
      sum += value;
      squares += static_cast<double>(value) * value;
    }
    images += a.labels.numel();
  }
  CHECK(images == 100);
  const double values = 100.0 * 3 * 224 * 224;
  // The constants are the mean and deviation of many such photographs.
  CHECK(std::abs(sum / values) < 0.3);
  CHECK(std::abs(std::sqrt(squares / values) - 1) < 0.3);
}

TEST_CASE("real photographs: what is decoded of a part is what the whole would show") {
  const std::string folder = bsg::test::photographs();
  if (folder.empty()) return;
  const auto dataset = open_dataset(folder, Split::test);
  // At full scale the very pixels; at a reduced one nearly. Mean over the images of the mean difference.
  for (const int side : {224, 64}) {
    double mean = 0;
    int reduced = 0;
    for (std::int64_t i = 0; i < dataset->size(); ++i) {
      const Image whole = dataset->get(i).image;
      Frame frame;
      const auto part = dataset->get_framed(i, [&](ImageSize size) {
        CHECK((size.height == whole.height && size.width == whole.width));
        return frame = middle_frame(size, {side * 8 / 7, side * 8 / 7}, side, side);
      });
      const Image a = resize_box(whole, frame.box, side, side);
      const Image b = resize_box(part.example.image, part.box, side, side);
      double sum = 0;
      for (std::size_t k = 0; k < a.pixels.size(); ++k) sum += std::abs(a.pixels[k] - b.pixels[k]);
      sum /= static_cast<double>(a.pixels.size());
      const bool full_scale = part.box.height == frame.box.height;
      if (full_scale) CHECK(sum == 0);
      reduced += full_scale ? 0 : 1;
      mean += sum / static_cast<double>(dataset->size());
    }
    INFO("side " << side << ": " << reduced << " at a reduced scale, mean difference " << mean);
    CHECK(reduced > (side == 224 ? 3 : 90));
    CHECK(mean < (side == 224 ? 0.3 : 2.0));
  }
}
