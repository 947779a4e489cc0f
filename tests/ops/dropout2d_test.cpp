#include "engine/ops/dropout2d.hpp"

#include <cmath>

#include "engine/core/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/gradient_check.hpp"

using namespace bsg;
using test::random_tensor;

TEST_CASE("dropout2d drops whole channels in training, keeps the mean, and is the identity otherwise", "[ops]") {
  Context context({.threads = 2, .seed = 9});
  const Tensor x = Tensor::full(context, {50, 40, 2, 3}, 1);
  const std::vector<float> y = ops::dropout2d(context, x, 0.25, true).value.values<float>();
  double kept = 0;
  for (std::size_t plane = 0; plane < y.size(); plane += 6) {
    for (std::size_t i = 0; i < 6; ++i) REQUIRE(y[plane + i] == y[plane]);
    if (y[plane] == 0) continue;
    REQUIRE(y[plane] == Approx(1 / 0.75));
    ++kept;
  }
  // 2000 draws: six standard deviations.
  CHECK(std::abs(kept / 2000 - 0.75) < 6 * std::sqrt(0.25 * 0.75 / 2000));
  CHECK(ops::dropout2d(context, x, 0.25, true).value.values<float>() != y);
  CHECK(ops::dropout2d(context, x, 0.25, false).value.values<float>() == x.values<float>());

  test::check_gradients(
      "dropout2d",
      [](Context& c, const std::vector<Var>& in) {
        c.random().set_position(3);
        return ops::dropout2d(c, in[0], 0.5, true);
      },
      {random_tensor(context, {3, 4, 2, 2}, 1)}, context);
  CHECK_THROWS_WITH(ops::dropout2d(context, x, 1, true), Catch::Contains("p 1"));
}

TEST_CASE("dropout2d drops the same channels on every device", "[ops]") {
  std::vector<std::vector<float>> results;
  for (const Device device : {Device::cpu, Device::simt}) {
    Context host, context({.device = device, .seed = 4});
    results.push_back(
        ops::dropout2d(context, Tensor::full(host, {3, 8, 2, 2}, 1).to(context), 0.5, true).value.values<float>());
  }
  CHECK(results[0] == results[1]);
}
