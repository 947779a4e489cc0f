#include "engine/ops/concat.hpp"

#include <cmath>
#include <limits>

#include "engine/core/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/gradient_check.hpp"

using namespace bsg;
using test::random_tensor;

TEST_CASE("concat puts every input's channels behind the others', values and gradients", "[ops]") {
  Context context({.threads = 2});
  for (const std::vector<Shape>& shapes : {std::vector<Shape>{{2, 3, 4, 5}, {2, 1, 4, 5}, {2, 6, 4, 5}},
                                           {{3, 2}, {3, 5}},
                                           {{1, 1, 1, 1}, {1, 1, 1, 1}},
                                           {{2, 4, 3, 3}},
                                           {{2, 0, 3, 3}, {2, 2, 3, 3}},
                                           {{0, 2, 3, 3}, {0, 1, 3, 3}}}) {
    std::vector<Tensor> inputs;
    for (const Shape& shape : shapes) inputs.push_back(random_tensor(context, shape, inputs.size() + 1));
    const auto f = [](Context& c, const std::vector<Var>& in) { return ops::concat(c, in); };
    const Tensor y = ops::concat(context, {inputs.begin(), inputs.end()}).value;
    const std::int64_t plane = shapes[0].rank() == 4 ? shapes[0][2] * shapes[0][3] : 1;
    std::int64_t before = 0, total = 0;
    for (const Shape& shape : shapes) total += shape[1];
    REQUIRE(y.shape()[0] == shapes[0][0]);
    REQUIRE(y.shape()[1] == total);
    REQUIRE(y.numel() == shapes[0][0] * total * plane);
    for (const Tensor& input : inputs) {
      const std::int64_t channels = input.shape()[1];
      for (std::int64_t n = 0; n < input.shape()[0]; ++n)
        for (std::int64_t c = 0; c < channels; ++c)
          for (std::int64_t i = 0; i < plane; ++i)
            REQUIRE(y.data<double>()[(n * total + before + c) * plane + i] ==
                    input.data<double>()[(n * channels + c) * plane + i]);
      before += channels;
    }
    if (y.numel() > 0) test::check_gradients("concat", f, inputs, context);
  }
}

TEST_CASE("concat of a tensor with itself adds both gradients; a NaN is copied", "[ops]") {
  Context context({.threads = 2});
  Tape tape(context);
  Tensor value = random_tensor(context, {300, 2, 8, 8}, 1, DType::f32);
  value.data<float>()[7] = std::numeric_limits<float>::quiet_NaN();
  const Var x = tape.input(value);
  const Var y = ops::concat(context, {x, x});
  CHECK(std::isnan(y.value.data<float>()[7]));
  CHECK(std::isnan(y.value.data<float>()[128 + 7]));
  const Tensor dy = random_tensor(context, y.shape(), 2, DType::f32);
  tape.backward(y, dy);
  const Tensor dx = tape.gradient(x);
  for (std::int64_t n = 0; n < 300; ++n)
    for (std::int64_t i = 0; i < 128; ++i)
      REQUIRE(dx.data<float>()[n * 128 + i] == dy.data<float>()[n * 256 + i] + dy.data<float>()[n * 256 + 128 + i]);
}

TEST_CASE("concat names the input that does not fit", "[ops]") {
  Context context;
  const Tensor x = Tensor::zeros(context, {2, 3, 4, 4});
  REQUIRE_THROWS_WITH(ops::concat(context, {x, x, Tensor::zeros(context, {2, 3, 4, 5})}),
                      Catch::Contains("concat: input 2") && Catch::Contains("[2, 3, 4, 5]"));
  REQUIRE_THROWS_WITH(ops::concat(context, {x, x.cast(context, DType::f64)}), Catch::Contains("f64"));
  REQUIRE_THROWS_AS(ops::concat(context, {x, Tensor::zeros(context, {2, 3})}), ShapeError);
  REQUIRE_THROWS_AS(ops::concat(context, {Tensor::zeros(context, {2})}), ShapeError);
  REQUIRE_THROWS_AS(ops::concat(context, {x.cast(context, DType::u8)}), ShapeError);
  REQUIRE_THROWS_WITH(ops::concat(context, {}), Catch::Contains("concat: no inputs"));
}
