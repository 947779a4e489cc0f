#include "engine/ops/bilinear_resize.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/core/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/gradient_check.hpp"

using namespace bsg;
using test::random_tensor;

namespace {

struct Case {
  Shape x;
  std::int64_t height, width;
};

const std::vector<Case> kCases = {{{2, 3, 4, 5}, 8, 10}, {{1, 2, 5, 7}, 13, 9}, {{1, 2, 9, 8}, 4, 3},
                                  {{2, 1, 1, 1}, 3, 4},  {{1, 1, 6, 1}, 1, 1},  {{1, 2, 3, 3}, 1, 7},
                                  {{1, 2, 6, 5}, 6, 5},  {{0, 2, 3, 3}, 5, 5}};

// How much input h counts for output i of an axis: a hat of width one around the input coordinate.
double weight(std::int64_t i, std::int64_t h, std::int64_t in, std::int64_t out, bool align_corners) {
  double center =
      align_corners
          ? (out == 1 ? 0.0 : static_cast<double>(i * (in - 1)) / static_cast<double>(out - 1))
          : (2.0 * static_cast<double>(i) + 1) * static_cast<double>(in) / (2.0 * static_cast<double>(out)) - 0.5;
  center = std::clamp(center, 0.0, static_cast<double>(in - 1));
  return std::max(0.0, 1 - std::abs(center - static_cast<double>(h)));
}

}  // namespace

TEST_CASE("bilinear_resize weighs every input by a hat function, values and gradients", "[ops]") {
  Context context({.threads = 2});
  for (const Case& p : kCases)
    for (const bool align_corners : {false, true}) {
      CAPTURE(p.x.str(), p.height, p.width, align_corners);
      const Tensor x = random_tensor(context, p.x, 1);
      const auto f = [&](Context& c, const std::vector<Var>& in) {
        return ops::bilinear_resize(c, in[0], {p.height, p.width, align_corners});
      };
      const Tensor y = f(context, {x}).value, single = f(context, {x.cast(context, DType::f32)}).value;
      REQUIRE(y.shape() == Shape{p.x[0], p.x[1], p.height, p.width});
      for (std::int64_t at = 0; at < y.numel(); ++at) {
        const std::int64_t plane = at / (p.height * p.width), i = at / p.width % p.height, j = at % p.width;
        double sum = 0;
        for (std::int64_t h = 0; h < p.x[2]; ++h)
          for (std::int64_t w = 0; w < p.x[3]; ++w)
            sum += weight(i, h, p.x[2], p.height, align_corners) * weight(j, w, p.x[3], p.width, align_corners) *
                   x.data<double>()[(plane * p.x[2] + h) * p.x[3] + w];
        REQUIRE(y.data<double>()[at] == Approx(sum).margin(1e-12));
        REQUIRE(single.data<float>()[at] == Approx(sum).margin(1e-6));
      }
      if (y.numel() > 0) test::check_gradients("bilinear_resize", f, {x}, context);
    }
}

TEST_CASE("bilinear_resize to the same size copies, NaN and infinity included", "[ops]") {
  Context context;
  Tensor x = random_tensor(context, {1, 1, 3, 4}, 1, DType::f32);
  x.data<float>()[5] = std::numeric_limits<float>::quiet_NaN();
  x.data<float>()[10] = std::numeric_limits<float>::infinity();
  for (const bool align_corners : {false, true}) {
    const Tensor y = ops::bilinear_resize(context, x, {3, 4, align_corners}).value;
    for (int i = 0; i < 12; ++i)
      if (i == 5) {
        CHECK(std::isnan(y.data<float>()[i]));
      } else {
        CHECK(y.data<float>()[i] == x.data<float>()[i]);
      }
  }
  // A NaN reaches what is interpolated from it.
  const Tensor y = ops::bilinear_resize(context, x, {6, 8, false}).value;
  CHECK(std::isnan(y.data<float>()[2 * 8 + 2]));
  CHECK(std::isfinite(y.data<float>()[0]));
}

TEST_CASE("bilinear_resize gives the same bits for any thread count", "[ops]") {
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 3}) {
    Context context({.threads = threads});
    Tape tape(context);
    const Var x = tape.input(random_tensor(context, {2, 7, 15, 16}, 1, DType::f32));
    const Var y = ops::bilinear_resize(context, x, {37, 41, false});
    tape.backward(y, random_tensor(context, y.shape(), 2, DType::f32));
    const Tensor dx = tape.gradient(x);
    results.emplace_back(y.value.span<float>().begin(), y.value.span<float>().end());
    results.back().insert(results.back().end(), dx.span<float>().begin(), dx.span<float>().end());
  }
  CHECK(results[0] == results[1]);
  CHECK(results[0] == results[2]);
}

TEST_CASE("bilinear_resize names bad sizes", "[ops]") {
  Context context;
  REQUIRE_THROWS_WITH(ops::bilinear_resize(context, Tensor::zeros(context, {1, 2, 3, 3}), {0, 4, false}),
                      Catch::Contains("bilinear_resize: x [1, 2, 3, 3] to height 0, width 4"));
  REQUIRE_THROWS_AS(ops::bilinear_resize(context, Tensor::zeros(context, {1, 2, 0, 3}), {4, 4, false}), ShapeError);
  REQUIRE_THROWS_AS(ops::bilinear_resize(context, Tensor::zeros(context, {2, 3, 3}), {4, 4, false}), ShapeError);
  REQUIRE_THROWS_AS(ops::bilinear_resize(context, Tensor::zeros(context, {1, 2, 3, 3}, DType::u8), {4, 4, false}),
                    ShapeError);
}
