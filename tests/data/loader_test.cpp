#include "data/loader.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <memory>
#include <set>
#include <thread>

#include <fmt/core.h>

#include "data/image_transform.hpp"
#include "data/synthetic.hpp"
#include "engine/core/context.hpp"
#include "engine/core/error.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;
using namespace bsg::data;
using Catch::Matchers::Contains;

namespace {

// Image i is 4x4, all pixels i; its label is i modulo 3. `broken` cannot be read.
class CountingDataset : public Dataset {
 public:
  explicit CountingDataset(std::int64_t size, std::int64_t broken = -1) : size_(size), broken_(broken) {}
  std::int64_t size() const override { return size_; }
  Example get(std::int64_t index) const override {
    ++reads;
    if (index == broken_) throw_error<DataError>("{}: cannot be read", source(index));
    return {.image = {4, 4, std::vector<std::uint8_t>(48, static_cast<std::uint8_t>(index))},
            .label = index % 3,
            .difficulty = static_cast<float>(index)};
  }
  std::string source(std::int64_t index) const override { return fmt::format("image {}", index); }
  const std::vector<std::string>& classes() const override { return classes_; }

  mutable std::atomic<int> reads = 0;

 private:
  std::int64_t size_, broken_;
  std::vector<std::string> classes_ = {"a", "b", "c"};
};

std::shared_ptr<const Transform> made(const ImageTransformOptions& options) {
  return std::make_shared<ImageTransform>(options);
}

ImageTransformOptions plain_4x4() {
  ImageTransformOptions options;
  options.height = options.width = 4;
  options.mean = {0, 0, 0};
  options.std = {1, 1, 1};
  return options;
}

std::vector<Batch> batches_of(Loader& loader, std::int64_t epoch, std::int64_t first_batch = 0) {
  std::vector<Batch> batches;
  loader.start(epoch, first_batch);
  for (Batch batch; loader.next(batch);) batches.push_back(batch);
  return batches;
}

void check_equal(const Batch& a, const Batch& b) {
  REQUIRE(a.images.shape() == b.images.shape());
  CHECK(a.indices == b.indices);
  CHECK(std::memcmp(a.images.raw(), b.images.raw(), a.images.bytes()) == 0);
  CHECK(std::memcmp(a.labels.raw(), b.labels.raw(), a.labels.bytes()) == 0);
}

void check_equal(const std::vector<Batch>& a, const std::vector<Batch>& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    INFO("batch " << i);
    check_equal(a[i], b[i]);
  }
}

std::vector<std::int64_t> all_indices(const std::vector<Batch>& batches) {
  std::vector<std::int64_t> indices;
  for (const Batch& batch : batches) indices.insert(indices.end(), batch.indices.begin(), batch.indices.end());
  return indices;
}

}  // namespace

TEST_CASE("loader: without shuffling, batches hold the images in order, the last one what is left") {
  Context context;
  const auto dataset = std::make_shared<CountingDataset>(10);
  Loader loader(context, dataset, made(plain_4x4()), {.batch = 4});
  CHECK(loader.batches() == 3);
  CHECK(loader.examples() == 10);
  const auto batches = batches_of(loader, 0);
  REQUIRE(batches.size() == 3);
  CHECK(batches[0].images.shape() == Shape{4, 3, 4, 4});
  CHECK(batches[2].images.shape() == Shape{2, 3, 4, 4});
  CHECK(batches[2].labels.shape() == Shape{2});
  CHECK(batches[1].indices == std::vector<std::int64_t>{4, 5, 6, 7});
  CHECK(batches[1].difficulty == std::vector<float>{4, 5, 6, 7});
  CHECK(batches[1].labels.data<std::int64_t>()[1] == 2);
  for (const float value : batches[2].images.span<float>().subspan(48)) CHECK(value == 9.0f / 255);
}

TEST_CASE("loader: drop_last leaves the smaller batch out") {
  Context context;
  Loader loader(context, std::make_shared<CountingDataset>(10), made(plain_4x4()), {.batch = 4, .drop_last = true});
  CHECK(loader.batches() == 2);
  CHECK(loader.examples() == 8);
  CHECK(batches_of(loader, 0).size() == 2);
}

TEST_CASE("loader: shuffling takes every image once, in an order of its own for each epoch and seed") {
  Context context;
  const auto dataset = std::make_shared<CountingDataset>(100);
  Loader loader(context, dataset, made(plain_4x4()), {.batch = 7, .shuffle = true, .seed = 3});
  const auto epoch0 = all_indices(batches_of(loader, 0));
  const auto epoch1 = all_indices(batches_of(loader, 1));
  CHECK(std::set<std::int64_t>(epoch0.begin(), epoch0.end()).size() == 100);
  CHECK(epoch0.size() == 100);
  CHECK_FALSE(std::is_sorted(epoch0.begin(), epoch0.end()));
  CHECK(epoch0 != epoch1);
  CHECK(all_indices(batches_of(loader, 0)) == epoch0);
  Loader other(context, dataset, made(plain_4x4()), {.batch = 7, .shuffle = true, .seed = 4});
  CHECK(all_indices(batches_of(other, 0)) != epoch0);
}

TEST_CASE("loader: a batch depends on seed, epoch and number alone") {
  Context context;
  const auto dataset = make_synthetic(1, Split::train, 150);
  ImageTransformOptions transform;
  transform.crop_padding = 4;
  transform.flip = true;
  const LoaderOptions options = {.batch = 16, .shuffle = true, .seed = 5, .workers = 1, .prefetch = 2};
  Loader one(context, dataset, made(transform), options);
  const auto expected = batches_of(one, 2);
  REQUIRE(expected.size() == 10);

  SECTION("with three threads") {
    LoaderOptions three = options;
    three.workers = 3;
    three.prefetch = 5;
    Loader loader(context, dataset, made(transform), three);
    check_equal(batches_of(loader, 2), expected);
  }
  SECTION("started in the middle of an epoch, after other epochs, some of them left unfinished") {
    Loader loader(context, dataset, made(transform), options);
    batches_of(loader, 0);
    loader.start(1);
    Batch batch;
    REQUIRE(loader.next(batch));
    check_equal(batches_of(loader, 2, 7), {expected.begin() + 7, expected.end()});
    CHECK(batches_of(loader, 2, 10).empty());
    check_equal(batches_of(loader, 2), expected);
  }
  SECTION("crops and mirror images of an image differ from epoch to epoch") {
    LoaderOptions in_order = options;
    in_order.shuffle = false;
    Loader loader(context, dataset, made(transform), in_order);
    const auto a = batches_of(loader, 0), b = batches_of(loader, 1);
    CHECK(std::memcmp(a[0].images.raw(), b[0].images.raw(), a[0].images.bytes()) != 0);
  }
}

TEST_CASE("loader: an error is thrown at its batch, and the batches around it arrive") {
  Context context;
  for (const int workers : {1, 3}) {
    Loader loader(context, std::make_shared<CountingDataset>(12, 5), made(plain_4x4()),
                  {.batch = 3, .workers = workers, .prefetch = 4});
    loader.start(0);
    Batch batch;
    REQUIRE(loader.next(batch));
    CHECK_THROWS_AS(loader.next(batch), DataError);
    loader.start(0, 1);
    CHECK_THROWS_WITH(loader.next(batch), "image 5: cannot be read");
    REQUIRE(loader.next(batch));
    CHECK(batch.indices.front() == 6);
    REQUIRE(loader.next(batch));
    CHECK_FALSE(loader.next(batch));
  }
}

TEST_CASE("loader: with skip_unreadable, the next in the order takes the place, and what is wrong is counted once") {
  Context context;
  for (const int workers : {1, 3}) {
    for (const bool shuffle : {false, true}) {
      const auto dataset = std::make_shared<CountingDataset>(12, 5);
      const LoaderOptions options = {
          .batch = 3, .shuffle = shuffle, .seed = 2, .workers = workers, .skip_unreadable = true};
      LoaderOptions plain = options;
      plain.skip_unreadable = false;
      Loader readable(context, std::make_shared<CountingDataset>(12), made(plain_4x4()), plain);
      Loader loader(context, dataset, made(plain_4x4()), options);
      for (std::int64_t epoch = 0; epoch < 2; ++epoch) {
        const auto order = all_indices(batches_of(readable, epoch));
        auto expected = order;
        const auto at = static_cast<std::size_t>(std::find(order.begin(), order.end(), 5) - order.begin());
        expected[at] = order[(at + 1) % 12];
        const auto batches = batches_of(loader, epoch);
        CHECK(all_indices(batches) == expected);
        CHECK(batches[at / 3].labels.data<std::int64_t>()[at % 3] == expected[at] % 3);
        // A run that is resumed sees the same.
        const std::int64_t batch = static_cast<std::int64_t>(at) / 3;
        Loader resumed(context, dataset, made(plain_4x4()), options);
        check_equal(batches_of(resumed, epoch, batch), {batches.begin() + batch, batches.end()});
        CHECK(resumed.unreadable().examples == 1);
      }
      CHECK(loader.unreadable().examples == 1);
      CHECK(loader.unreadable().messages == std::vector<std::string>{"image 5: cannot be read"});
      CHECK(readable.unreadable().examples == 0);
    }
  }
}

TEST_CASE("loader: with skip_unreadable, the last in the order is replaced by the first; nothing at all is an error") {
  Context context;
  const LoaderOptions options = {.batch = 2, .skip_unreadable = true};
  Loader last(context, std::make_shared<CountingDataset>(4, 3), made(plain_4x4()), options);
  CHECK(all_indices(batches_of(last, 0)) == std::vector<std::int64_t>{0, 1, 2, 0});
  Loader none(context, std::make_shared<CountingDataset>(1, 0), made(plain_4x4()), options);
  none.start(0);
  Batch batch;
  CHECK_THROWS_WITH(none.next(batch), "none of the 1 images can be read: image 0: cannot be read");
}

TEST_CASE("loader: no more batches are prepared ahead than asked for") {
  Context context;
  const auto dataset = std::make_shared<CountingDataset>(100);
  Loader loader(context, dataset, made(plain_4x4()), {.batch = 1, .workers = 2, .prefetch = 3});
  loader.start(0);
  Batch batch;
  REQUIRE(loader.next(batch));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  CHECK(dataset->reads <= 4);
}

TEST_CASE("loader: a loader goes away at any moment") {
  Context context;
  const auto dataset = make_synthetic(1, Split::train, 64);
  for (int taken = 0; taken < 3; ++taken) {
    Loader loader(context, dataset, made({}), {.batch = 8, .workers = 3, .prefetch = 2});
    if (taken > 0) loader.start(0);
    Batch batch;
    for (int i = 1; i < taken; ++i) REQUIRE(loader.next(batch));
  }
  // A batch outlives its loader.
  Batch batch;
  {
    Loader loader(context, dataset, made({}), {.batch = 8});
    loader.start(0);
    REQUIRE(loader.next(batch));
  }
  CHECK(std::isfinite(batch.images.span<float>().back()));
}

TEST_CASE("loader: options that make no sense are refused") {
  Context context;
  const auto dataset = std::make_shared<CountingDataset>(10);
  const auto make = [&](const LoaderOptions& options, const ImageTransformOptions& transform = plain_4x4()) {
    Loader(context, dataset, made(transform), options);
  };
  CHECK_THROWS_AS(make({.batch = 0}), ConfigError);
  CHECK_THROWS_AS(make({.workers = 0}), ConfigError);
  CHECK_THROWS_AS(make({.prefetch = 0}), ConfigError);
  CHECK_THROWS_WITH(make({.batch = 11, .drop_last = true}), Contains("a batch of 11 images is more than the 10"));
  CHECK_NOTHROW(make({.batch = 11}));
  ImageTransformOptions transform = plain_4x4();
  transform.std[1] = 0;
  CHECK_THROWS_AS(make({}, transform), ConfigError);
  transform = plain_4x4();
  transform.crop_padding = -1;
  CHECK_THROWS_AS(make({}, transform), ConfigError);
  transform = plain_4x4();
  transform.width = 0;
  CHECK_THROWS_AS(make({}, transform), ConfigError);

  Loader loader(context, dataset, made(plain_4x4()), {.batch = 5});
  Batch batch;
  CHECK_THROWS_AS(loader.next(batch), ConfigError);
  CHECK_THROWS_AS(loader.start(-1), ConfigError);
  CHECK_THROWS_AS(loader.start(0, 3), ConfigError);
  CHECK_THROWS_AS(loader.start(0, -1), ConfigError);
}
