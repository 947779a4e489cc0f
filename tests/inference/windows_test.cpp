#include "engine/inference/windows.hpp"

#include <cmath>
#include <numeric>

#include "engine/core/error.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;
using inference::window_starts;
using inference::Windows;

TEST_CASE("windows cover an axis, and the last one ends with it", "[evaluation]") {
  using Starts = std::vector<std::int64_t>;
  CHECK(window_starts(10, 10, 0.5) == Starts{0});
  CHECK(window_starts(3, 10, 0.5) == Starts{0});
  CHECK(window_starts(20, 10, 0) == Starts{0, 10});
  CHECK(window_starts(21, 10, 0) == Starts{0, 10, 11});
  CHECK(window_starts(30, 12, 1.0 / 3) == Starts{0, 8, 16, 18});
  CHECK(window_starts(4, 3, 0.99) == Starts{0, 1});
  CHECK(window_starts(4, 1, 0) == Starts{0, 1, 2, 3});
}

TEST_CASE("windows are cut from the image, zero beyond it", "[evaluation]") {
  Context context;
  std::vector<float> values(2 * 2 * 5);
  std::iota(values.begin(), values.end(), 1.0F);
  const Windows windows(2, 5, {.height = 3, .width = 4, .overlap = 0.5});
  REQUIRE(windows.count() == 2);
  const Tensor cut = windows.cut(context, Tensor::from(context, {1, 2, 2, 5}, values));
  CHECK(cut.shape() == Shape{2, 2, 3, 4});
  CHECK(cut.values<float>() == std::vector<float>{1,  2,  3,  4,  6,  7,  8,  9,  0,  0,  0,  0,  11, 12, 13, 14,
                                                  16, 17, 18, 19, 0,  0,  0,  0,  2,  3,  4,  5,  7,  8,  9,  10,
                                                  0,  0,  0,  0,  12, 13, 14, 15, 17, 18, 19, 20, 0,  0,  0,  0});
  REQUIRE_THROWS_AS(windows.cut(context, Tensor::zeros(context, {1, 2, 2, 4})), ShapeError);
}

TEST_CASE("probabilities are averaged where windows overlap, on any number of threads", "[evaluation]") {
  // 1 x 3 pixels through windows of 1 x 2 at 0 and 1: both see the pixel in the middle.
  std::vector<float> one;
  for (const int threads : {1, 3}) {
    Context context({.threads = threads});
    const Windows windows(1, 3, {.height = 1, .width = 2, .overlap = 0.5});
    const float nan = std::nanf("");
    const Tensor merged = windows.merge(
        context, Tensor::from(context, {2, 2, 1, 2},
                              std::vector<float>{0, 0, std::log(3.0F), std::log(3.0F), std::log(4.0F), nan, 0, 0}));
    CHECK(merged.shape() == Shape{1, 2, 1, 3});
    const std::vector<float> got = merged.values<float>();
    CHECK(got[0] == Approx(std::log(0.25)));
    CHECK(got[3] == Approx(std::log(0.75)));
    CHECK(got[1] == Approx(std::log((0.25 + 0.8) / 2)));
    CHECK(got[4] == Approx(std::log((0.75 + 0.2) / 2)));
    CHECK(std::isnan(got[2]));
    const Tensor far =
        windows.merge(context, Tensor::from(context, {2, 2, 1, 2}, std::vector<float>{0, 0, 500, 500, 0, 0, 500, 500}));
    CHECK(std::isfinite(far.values<float>()[0]));
    REQUIRE_THROWS_AS(windows.merge(context, Tensor::zeros(context, {1, 2, 1, 2})), ShapeError);
  }
  const auto merged_by = [](int threads) {
    Context context({.threads = threads});
    const Windows windows(150, 170, {.height = 60, .width = 50});
    Tensor logits = Tensor::empty(context, {windows.count(), 3, 60, 50});
    for (std::int64_t i = 0; i < logits.numel(); ++i) logits.data<float>()[i] = std::sin(static_cast<float>(i));
    return windows.merge(context, logits).values<float>();
  };
  const std::vector<float> whole = merged_by(1);
  CHECK(whole == merged_by(4));
  for (std::size_t i = 0; i < 150 * 170; i += 97)
    CHECK(std::exp(whole[i]) + std::exp(whole[150 * 170 + i]) + std::exp(whole[2 * 150 * 170 + i]) ==
          Approx(1).epsilon(1e-5));
}

TEST_CASE("windows without extent or with an overlap that never ends are refused", "[evaluation]") {
  REQUIRE_THROWS_WITH(Windows(4, 4, {.height = 0, .width = 2}), Catch::Contains("0 x 2"));
  REQUIRE_THROWS_WITH(Windows(4, 4, {.height = 2, .width = 2, .overlap = 1}), Catch::Contains("overlap 1"));
  REQUIRE_THROWS_AS(Windows(4, 4, {.height = 2, .width = 2, .overlap = -0.1}), ConfigError);
  REQUIRE_THROWS_AS(Windows(4, 4, {.height = 2, .width = 2, .overlap = std::nan("")}), ConfigError);
}
