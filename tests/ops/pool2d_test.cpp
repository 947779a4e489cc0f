#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/core/error.hpp"
#include "engine/ops/add.hpp"
#include "engine/ops/average_pool2d.hpp"
#include "engine/ops/max_pool2d.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/gradient_check.hpp"

using namespace bsg;
using test::random_tensor;

namespace {

struct Case {
  Shape x;
  ops::Pool2dOptions options;  // kernel, stride, padding, dilation
};

const std::vector<Case> kCases = {
    {{2, 3, 8, 8}, {2, 2, 0, 1}},   {{2, 3, 9, 7}, {3, 2, 1, 1}},  {{1, 2, 7, 11}, {3, 1, 1, 1}},
    {{1, 2, 5, 6}, {2, 1, 1, 1}},   {{1, 1, 1, 1}, {1, 1, 0, 1}},  {{2, 2, 1, 1}, {3, 1, 1, 1}},
    {{1, 2, 2, 3}, {4, 3, 2, 1}},   {{1, 2, 13, 9}, {3, 5, 0, 1}}, {{2, 1, 11, 12}, {3, 2, 1, 2}},
    {{1, 2, 16, 33}, {5, 1, 2, 1}}, {{1, 1, 1, 40}, {1, 3, 0, 1}}, {{0, 3, 4, 4}, {2, 2, 0, 1}},
};

// The values that window (i, j) of a plane holds, in row-major order, and where they lie in the plane.
struct Window {
  std::vector<double> values;
  std::vector<std::int64_t> at;
};

Window window(const Tensor& x, std::int64_t plane, std::int64_t i, std::int64_t j, const ops::Pool2dOptions& o) {
  const std::int64_t height = x.shape()[2], width = x.shape()[3];
  Window result;
  for (std::int64_t h = 0; h < height; ++h)
    for (std::int64_t w = 0; w < width; ++w) {
      const std::int64_t r = h - (i * o.stride - o.padding), s = w - (j * o.stride - o.padding);
      const std::int64_t reach = std::int64_t{o.dilation} * (o.kernel - 1);
      if (r < 0 || s < 0 || r > reach || s > reach || r % o.dilation != 0 || s % o.dilation != 0) continue;
      result.at.push_back(h * width + w);
      result.values.push_back(x.data<double>()[(plane * height + h) * width + w]);
    }
  return result;
}

// Calls visit(index in y, plane, window) for every output of y.
template <class Visit>
void each_window(const Tensor& x, const Tensor& y, const ops::Pool2dOptions& o, const Visit& visit) {
  for (std::int64_t index = 0; index < y.numel(); ++index) {
    const std::int64_t column = index % y.shape()[3], row = index / y.shape()[3] % y.shape()[2];
    const std::int64_t plane = index / (y.shape()[2] * y.shape()[3]);
    visit(index, plane, window(x, plane, row, column, o));
  }
}

Shape expected_shape(const Case& p) {
  const auto extent = [&](std::int64_t in) {
    std::int64_t count = 0;
    const ops::Pool2dOptions& o = p.options;
    while (count * o.stride + std::int64_t{o.dilation} * (o.kernel - 1) < in + 2 * o.padding) ++count;
    return count;
  };
  return {p.x[0], p.x[1], extent(p.x[2]), extent(p.x[3])};
}

}  // namespace

TEST_CASE("max_pool2d follows plain windows, values and gradients", "[ops]") {
  Context context({.threads = 2});
  for (const Case& p : kCases) {
    CAPTURE(p.x.str(), p.options.kernel, p.options.stride, p.options.padding, p.options.dilation);
    const Tensor x = random_tensor(context, p.x, 1);
    const auto f = [&](Context& c, const std::vector<Var>& in) { return ops::max_pool2d(c, in[0], p.options); };
    const Tensor y = f(context, {x}).value;
    REQUIRE(y.shape() == expected_shape(p));
    each_window(x, y, p.options, [&](std::int64_t index, std::int64_t, const Window& w) {
      REQUIRE(y.data<double>()[index] == *std::ranges::max_element(w.values));
    });
    const Tensor rounded = x.cast(context, DType::f32);
    const Tensor single = f(context, {rounded}).value, again = f(context, {rounded.cast(context, DType::f64)}).value;
    for (std::int64_t i = 0; i < y.numel(); ++i) REQUIRE(single.data<float>()[i] == again.data<double>()[i]);
    if (p.x.numel() > 0) test::check_gradients("max_pool2d", f, {x}, context, {.step = 1e-7, .tolerance = 1e-5});
  }
}

TEST_CASE("max_pool2d: the first maximum gets the gradient, a NaN passes, -infinity is a value", "[ops]") {
  Context context;
  const double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
  const Tensor x = Tensor::from<double>(context, {1, 1, 2, 8},
                                        std::vector<double>{3, 1, 1, nan, -infinity, -infinity, -0.0, 0.0,  //
                                                            3, 3, 9, nan, -infinity, -infinity, 0.0, -0.0});
  Tape tape(context);
  const Var tracked = tape.input(x);
  const Var y = ops::max_pool2d(context, tracked, {});
  const double* value = y.value.data<double>();
  CHECK(value[0] == 3);
  CHECK(std::isnan(value[1]));
  CHECK(value[2] == -infinity);
  CHECK(value[3] == 0);
  tape.backward(y, Tensor::from<double>(context, y.shape(), std::vector<double>{1, 2, 4, 8}));
  const Tensor dx = tape.gradient(tracked);
  CHECK(std::vector<double>(dx.span<double>().begin(), dx.span<double>().end()) ==
        std::vector<double>{1, 0, 0, 2, 4, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0});
}

TEST_CASE("average_pool2d follows plain windows, with and without the padding in the count", "[ops]") {
  Context context({.threads = 2});
  for (const Case& p : kCases) {
    if (p.options.dilation != 1) continue;
    for (const bool count_include_pad : {true, false}) {
      CAPTURE(p.x.str(), p.options.kernel, p.options.stride, p.options.padding, count_include_pad);
      const Tensor x = random_tensor(context, p.x, 1);
      const auto f = [&](Context& c, const std::vector<Var>& in) {
        return ops::average_pool2d(c, in[0], p.options, count_include_pad);
      };
      const Tensor y = f(context, {x}).value, single = f(context, {x.cast(context, DType::f32)}).value;
      REQUIRE(y.shape() == expected_shape(p));
      each_window(x, y, p.options, [&](std::int64_t index, std::int64_t, const Window& w) {
        const double divisor = count_include_pad ? std::pow(p.options.kernel, 2) : static_cast<double>(w.values.size());
        const double mean = std::accumulate(w.values.begin(), w.values.end(), 0.0) / divisor;
        REQUIRE(y.data<double>()[index] == Approx(mean).margin(1e-14));
        REQUIRE(single.data<float>()[index] == Approx(mean).margin(1e-6));
      });
      if (p.x.numel() > 0) test::check_gradients("average_pool2d", f, {x}, context);
    }
  }
  // A NaN reaches the windows that hold it, and no other.
  Tensor x = Tensor::full(context, {1, 1, 4, 4}, 1);
  x.data<float>()[5] = std::numeric_limits<float>::quiet_NaN();
  const Tensor y = ops::average_pool2d(context, x, {}).value;
  CHECK(std::isnan(y.data<float>()[0]));
  for (const int i : {1, 2, 3}) CHECK(y.data<float>()[i] == 1);
}

TEST_CASE("pooling gives the same bits for any thread count", "[ops]") {
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 3}) {
    Context context({.threads = threads});
    Tape tape(context);
    const Var x = tape.input(random_tensor(context, {3, 7, 31, 30}, 1, DType::f32));
    // Both read x, so the gradient of the one is added to that of the other.
    const Var y =
        ops::add(context, ops::max_pool2d(context, x, {3, 2, 1, 1}), ops::average_pool2d(context, x, {3, 2, 1, 1}));
    std::vector<float> all(y.value.span<float>().begin(), y.value.span<float>().end());
    tape.backward(y, random_tensor(context, y.shape(), 2, DType::f32));
    const Tensor dx = tape.gradient(x);
    all.insert(all.end(), dx.span<float>().begin(), dx.span<float>().end());
    results.push_back(std::move(all));
  }
  CHECK(results[0] == results[1]);
  CHECK(results[0] == results[2]);
}

TEST_CASE("pooling names bad arguments", "[ops]") {
  Context context;
  const Tensor x = Tensor::zeros(context, {1, 2, 3, 5});
  REQUIRE_THROWS_WITH(ops::max_pool2d(context, x, {.kernel = 4}),
                      Catch::Contains("max_pool2d: the kernel is larger than the padded input") &&
                          Catch::Contains("[1, 2, 3, 5]") && Catch::Contains("kernel 4"));
  REQUIRE_THROWS_WITH(ops::average_pool2d(context, x, {.kernel = 3, .padding = 2}), Catch::Contains("half the kernel"));
  REQUIRE_THROWS_WITH(ops::average_pool2d(context, x, {.dilation = 2}), Catch::Contains("dilation 2"));
  REQUIRE_THROWS_AS(ops::max_pool2d(context, x, {.kernel = 0}), ShapeError);
  REQUIRE_THROWS_AS(ops::max_pool2d(context, x, {.stride = 0}), ShapeError);
  REQUIRE_THROWS_AS(ops::max_pool2d(context, x, {.padding = -1}), ShapeError);
  REQUIRE_THROWS_AS(ops::max_pool2d(context, Tensor::zeros(context, {3, 5}), {}), ShapeError);
  REQUIRE_THROWS_AS(ops::max_pool2d(context, x.cast(context, DType::i64), {}), ShapeError);
  // Taps at -1 and 1 of a plane with one row.
  REQUIRE_THROWS_WITH(ops::max_pool2d(context, Tensor::zeros(context, {1, 1, 1, 5}), {2, 1, 1, 2}),
                      Catch::Contains("nothing but padding"));
  REQUIRE_THROWS_AS(ops::max_pool2d(context, Tensor::zeros(context, {1, 1, 0, 0}), {2, 1, 1, 1}), ShapeError);
}
