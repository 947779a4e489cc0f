#include "engine/ops/adaptive_average_pool2d.hpp"

#include <cmath>

#include "engine/core/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/gradient_check.hpp"

using namespace bsg;
using test::random_tensor;

TEST_CASE("adaptive_average_pool2d follows plain windows, values and gradients", "[ops]") {
  Context context({.threads = 2});
  struct Case {
    Shape x;
    std::int64_t height, width;
  };
  for (const Case& p : {Case{{2, 3, 8, 8}, 2, 4},
                        {{1, 2, 7, 11}, 3, 6},
                        {{2, 1, 5, 4}, 6, 6},
                        {{1, 2, 1, 1}, 3, 2},
                        {{1, 3, 9, 10}, 1, 1},
                        {{0, 3, 4, 4}, 2, 2}}) {
    CAPTURE(p.x.str(), p.height, p.width);
    const auto f = [&](Context& c, const std::vector<Var>& in) {
      return ops::adaptive_average_pool2d(c, in[0], p.height, p.width);
    };
    const Tensor x = random_tensor(context, p.x, 1);
    const Tensor y = f(context, {x}).value, single = f(context, {x.cast(context, DType::f32)}).value;
    REQUIRE(y.shape() == Shape{p.x[0], p.x[1], p.height, p.width});
    for (std::int64_t index = 0; index < y.numel(); ++index) {
      const auto axis = [](std::int64_t i, std::int64_t extent, std::int64_t windows) {
        const double step = static_cast<double>(extent) / static_cast<double>(windows);
        return std::pair{static_cast<std::int64_t>(std::floor(static_cast<double>(i) * step + 1e-9)),
                         static_cast<std::int64_t>(std::ceil(static_cast<double>(i + 1) * step - 1e-9))};
      };
      const auto [top, bottom] = axis(index / p.width % p.height, p.x[2], p.height);
      const auto [left, right] = axis(index % p.width, p.x[3], p.width);
      double sum = 0, count = 0;
      for (std::int64_t h = top; h < bottom; ++h)
        for (std::int64_t w = left; w < right; ++w, ++count)
          sum += x.data<double>()[(index / (p.width * p.height) * p.x[2] + h) * p.x[3] + w];
      REQUIRE(y.data<double>()[index] == Approx(sum / count).margin(1e-14));
      REQUIRE(single.data<float>()[index] == Approx(sum / count).margin(1e-6));
    }
    if (x.numel() > 0) test::check_gradients("adaptive_average_pool2d", f, {x}, context);
  }
  CHECK_THROWS_WITH(ops::adaptive_average_pool2d(context, random_tensor(context, {1, 2, 3, 3}, 1), 0, 2),
                    Catch::Contains("[1, 2, 3, 3] to 0x2 windows"));
  CHECK_THROWS_AS(ops::adaptive_average_pool2d(context, random_tensor(context, {1, 2}, 1), 1, 1), ShapeError);
}
