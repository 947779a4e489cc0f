#include <array>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "data/cifar10.hpp"
#include "data/image_transform.hpp"
#include "data/loader.hpp"
#include "engine/core/context.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/real_data.hpp"

using namespace bsg;
using namespace bsg::data;

TEST_CASE("real data: CIFAR-10 as JPEG files opens whole, and normalised values are what they should be") {
  const std::string folder = bsg::test::cifar10_jpeg();
  if (folder.empty()) return;
  const auto train = open_dataset(folder, Split::train), test = open_dataset(folder, Split::test);
  CHECK(train->size() == 50000);
  CHECK(test->size() == 10000);
  CHECK(train->classes() == cifar10_classes());

  Context context;
  Loader loader(context, train, std::make_shared<ImageTransform>(ImageTransformOptions{}),
                {.batch = 1000, .shuffle = true, .drop_last = true, .workers = 2});
  REQUIRE(loader.batches() == 50);
  std::vector<int> per_class(10, 0);
  std::array<double, 3> sum{};
  loader.start(0);
  for (Batch batch; loader.next(batch);) {
    for (const std::int64_t label : batch.labels.span<std::int64_t>()) ++per_class[static_cast<std::size_t>(label)];
    const float* values = batch.images.data<float>();
    for (std::int64_t plane = 0; plane < 3000; ++plane) {
      double plane_sum = 0;
      for (int i = 0; i < 1024; ++i) plane_sum += *values++;
      sum[static_cast<std::size_t>(plane % 3)] += plane_sum / 1024;
    }
  }
  CHECK(per_class == std::vector<int>(10, 5000));
  // The default mean is that of the set.
  for (const double channel : sum) CHECK(std::abs(channel / 50000) < 0.01);
}
