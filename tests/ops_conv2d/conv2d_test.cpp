#include "engine/ops/conv2d.hpp"

#include <cmath>
#include <limits>

#include "engine/core/error.hpp"
#include "engine/ops/gated_conv2d.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/gradient_check.hpp"

using namespace bsg;
using test::random_tensor;

namespace {

struct Case {
  std::int64_t n, c, h, w, k, r, s;
  ops::Conv2dOptions options;
};

const std::vector<Case> kCases = {
    {2, 3, 32, 32, 16, 3, 3, {1, 1, 1}},
    {2, 16, 16, 16, 7, 3, 3, {1, 1, 1}},
    {3, 5, 8, 8, 13, 3, 3, {1, 1, 1}},
    {2, 4, 7, 7, 6, 3, 3, {1, 1, 1}},
    {2, 6, 14, 14, 9, 3, 3, {2, 1, 1}},
    {1, 3, 9, 11, 2, 3, 3, {2, 1, 1}},
    {2, 8, 8, 8, 5, 1, 1, {1, 0, 1}},
    {2, 8, 9, 9, 5, 1, 1, {2, 0, 1}},
    {1, 2, 12, 13, 3, 3, 3, {1, 2, 2}},
    {1, 2, 17, 19, 3, 7, 7, {2, 3, 1}},
    {1, 1, 1, 1, 1, 1, 1, {1, 0, 1}},
    {1, 2, 1, 1, 3, 3, 3, {1, 1, 1}},
    {2, 2, 5, 3, 4, 2, 3, {3, 1, 1}},
    {1, 3, 21, 35, 17, 3, 3, {1, 0, 1}},
    {1, 2, 10, 10, 3, 3, 3, {1, 4, 1}},
    {0, 2, 4, 4, 3, 3, 3, {1, 1, 1}},
    {1, 2, 11, 11, 3, 3, 3, {3, 2, 2}},
    // From 8 channels on both sides and 512 outputs in the batch on, stride 1 runs by Winograd's transforms: rows of
    // tiles shorter than a vector, longer, ending within one; odd heights and widths; each padding; planes in several
    // groups.
    {2, 8, 16, 16, 16, 3, 3, {1, 1, 1}},
    {9, 12, 8, 8, 9, 3, 3, {1, 1, 1}},
    {2, 9, 17, 19, 11, 3, 3, {1, 1, 1}},
    {11, 10, 7, 7, 9, 3, 3, {1, 1, 1}},
    {1, 8, 6, 91, 8, 3, 3, {1, 1, 1}},
    {2, 8, 19, 18, 8, 3, 3, {1, 0, 1}},
    {2, 9, 15, 16, 8, 3, 3, {1, 2, 1}},
    {1, 64, 24, 24, 8, 3, 3, {1, 1, 1}},
    {300, 8, 1, 2, 8, 3, 3, {1, 1, 1}},
    // Dilations that are done on d * d sub-planes: extents that d divides and others, planes smaller than d, paddings
    // of none, one and two dilations.
    {2, 8, 16, 18, 9, 3, 3, {1, 2, 2}},
    {1, 9, 33, 21, 8, 3, 3, {1, 4, 4}},
    {3, 8, 17, 19, 8, 3, 3, {1, 0, 3}},
    {2, 8, 15, 16, 10, 3, 3, {1, 4, 2}},
    {40, 8, 3, 5, 8, 3, 3, {1, 4, 4}},
};

// Plain loops; the sum is kept in S.
template <class S, class T>
std::vector<S> naive(const Case& p, const Tensor& x, const Tensor& w) {
  const auto& o = p.options;
  const std::int64_t oh = (p.h + 2 * o.padding - o.dilation * (p.r - 1) - 1) / o.stride + 1;
  const std::int64_t ow = (p.w + 2 * o.padding - o.dilation * (p.s - 1) - 1) / o.stride + 1;
  std::vector<S> y;
  for (std::int64_t n = 0; n < p.n; ++n)
    for (std::int64_t k = 0; k < p.k; ++k)
      for (std::int64_t i = 0; i < oh; ++i)
        for (std::int64_t j = 0; j < ow; ++j) {
          S sum = 0;
          for (std::int64_t c = 0; c < p.c; ++c)
            for (std::int64_t r = 0; r < p.r; ++r)
              for (std::int64_t s = 0; s < p.s; ++s) {
                const std::int64_t ih = i * o.stride + r * o.dilation - o.padding;
                const std::int64_t iw = j * o.stride + s * o.dilation - o.padding;
                if (ih < 0 || iw < 0 || ih >= p.h || iw >= p.w) continue;
                sum += static_cast<S>(x.data<T>()[((n * p.c + c) * p.h + ih) * p.w + iw]) *
                       static_cast<S>(w.data<T>()[((k * p.c + c) * p.r + r) * p.s + s]);
              }
          y.push_back(sum);
        }
  return y;
}

Tensor random_gate(Context& context, std::int64_t n, std::int64_t c, double density, DType dtype,
                   std::uint64_t seed = 7) {
  Tensor gate = Tensor::zeros(context, {n, c}, DType::f64);
  Generator random(seed);
  for (double& value : gate.span<double>()) value = random.uniform() < density ? 1 : 0;
  return gate.cast(context, dtype);
}

double largest_error(const Tensor& got, const std::vector<double>& want) {
  double error = 0;
  REQUIRE(got.numel() == static_cast<std::int64_t>(want.size()));
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double value = got.dtype() == DType::f32 ? got.data<float>()[i] : got.data<double>()[i];
    REQUIRE(std::isfinite(value));
    error = std::max(error, std::abs(value - want[i]));
  }
  return error;
}

}  // namespace

TEST_CASE("conv2d is at most twice as far from double, in the root mean square, as plain float loops", "[conv2d]") {
  Context context({.threads = 2});
  for (const Case& p : kCases) {
    const Tensor x = random_tensor(context, {p.n, p.c, p.h, p.w}, 1, DType::f32);
    const Tensor w = random_tensor(context, {p.k, p.c, p.r, p.s}, 2, DType::f32);
    const std::vector<double> exact = naive<double, float>(p, x, w);
    const std::vector<float> plain = naive<float, float>(p, x, w);
    double plain_error = 0;
    for (std::size_t i = 0; i < exact.size(); ++i) plain_error += (plain[i] - exact[i]) * (plain[i] - exact[i]);
    CAPTURE(p.c, p.h, p.w, p.k, p.r, p.options.stride);
    const Tensor y = ops::conv2d(context, x, w, Var(), p.options).value;
    double error = 0;
    for (std::size_t i = 0; i < exact.size(); ++i) error += std::pow(y.data<float>()[i] - exact[i], 2);
    // Sums of squares: twice the error is four times its square.
    CHECK(error <= 4 * plain_error);
    const Tensor x64 = x.cast(context, DType::f64), w64 = w.cast(context, DType::f64);
    CHECK(largest_error(ops::conv2d(context, x64, w64, Var(), p.options).value, naive<double, double>(p, x64, w64)) <
          1e-12);
  }
}

TEST_CASE("gradients of conv2d agree with central differences", "[conv2d]") {
  Context context({.threads = 2});
  for (const Case& p : kCases) {
    if (p.n == 0) continue;
    test::check_gradients(
        "conv2d",
        [&](Context& c, const std::vector<Var>& in) { return ops::conv2d(c, in[0], in[1], in[2], p.options); },
        {random_tensor(context, {p.n, p.c, p.h, p.w}, 1), random_tensor(context, {p.k, p.c, p.r, p.s}, 2),
         random_tensor(context, {p.k}, 3)},
        context, {.tolerance = 1e-5, .differentiable = {}, .max_elements = 25});
  }
}

TEST_CASE("gated convolutions equal masked dense ones, all on, all off, one on and in between", "[gated_conv2d]") {
  Context context({.threads = 2});
  for (const Case& p : kCases)
    for (const double density : {0.0, 0.3, 0.5, 1.0}) {
      const Tensor x = random_tensor(context, {p.n, p.c, p.h, p.w}, 1, DType::f32);
      const Tensor w = random_tensor(context, {p.k, p.c, p.r, p.s}, 2, DType::f32);
      const Tensor in_gate = random_gate(context, p.n, p.c, density, DType::f32);
      const Tensor out_gate = random_gate(context, p.n, p.k, density, DType::f32);
      Tensor masked = x.clone(context);
      for (std::int64_t i = 0; i < masked.numel(); ++i)
        masked.data<float>()[i] *= in_gate.data<float>()[i / (p.h * p.w)];
      const Tensor dense = ops::conv2d(context, masked, w, Var(), p.options).value;
      const Tensor gated = ops::gated_input_conv2d(context, x, in_gate, w, p.options).value;
      for (std::int64_t i = 0; i < dense.numel(); ++i)
        REQUIRE(gated.data<float>()[i] == Approx(dense.data<float>()[i]).margin(1e-5));

      const Tensor all = ops::conv2d(context, x, w, Var(), p.options).value;
      const Tensor some = ops::gated_output_conv2d(context, x, w, out_gate, p.options).value;
      const std::int64_t plane = all.shape()[2] * all.shape()[3];
      for (std::int64_t i = 0; i < all.numel(); ++i)
        REQUIRE(some.data<float>()[i] == (out_gate.data<float>()[i / plane] != 0 ? all.data<float>()[i] : 0.0f));
    }
}

TEST_CASE("gradients of the gated convolutions: x and weight by central differences, the gate straight-through",
          "[gated_conv2d]") {
  Context context({.threads = 2});
  const Case p{3, 6, 9, 8, 7, 3, 3, {1, 1, 1}};
  const Tensor x = random_tensor(context, {p.n, p.c, p.h, p.w}, 1), w = random_tensor(context, {p.k, p.c, p.r, p.s}, 2);
  const Tensor in_gate = random_gate(context, p.n, p.c, 0.5, DType::f64),
               out_gate = random_gate(context, p.n, p.k, 0.5, DType::f64);
  const test::GradientCheckOptions options{
      .tolerance = 1e-5, .differentiable = {true, false, true}, .max_elements = 60};
  test::check_gradients(
      "gated_input_conv2d",
      [&](Context& c, const std::vector<Var>& in) {
        return ops::gated_input_conv2d(c, in[0], in[1], in[2], p.options);
      },
      {x, in_gate, w}, context, options);
  test::check_gradients(
      "gated_output_conv2d",
      [&](Context& c, const std::vector<Var>& in) {
        return ops::gated_output_conv2d(c, in[0], in[2], in[1], p.options);
      },
      {x, out_gate, w}, context, options);

  // Both are linear in the gate, so its gradient is the difference that switching it makes.
  for (const bool input_side : {true, false}) {
    const Tensor& gate = input_side ? in_gate : out_gate;
    const auto forward = [&](const Var& g) {
      return input_side ? ops::gated_input_conv2d(context, x, g, w, p.options)
                        : ops::gated_output_conv2d(context, x, w, g, p.options);
    };
    Tape tape(context);
    const Var tracked = tape.input(gate);
    const Var y = forward(tracked);
    const Tensor weights = random_tensor(context, y.shape(), 5);
    tape.backward(y, weights);
    for (std::int64_t i = 0; i < gate.numel(); ++i) {
      double value[2];
      for (const int on : {0, 1}) {
        Tensor moved = gate.clone(context);
        moved.data<double>()[i] = on;
        const Tensor out = forward(moved).value;
        value[on] = 0;
        for (std::int64_t j = 0; j < out.numel(); ++j) value[on] += out.data<double>()[j] * weights.data<double>()[j];
      }
      REQUIRE(tape.gradient(tracked).data<double>()[i] == Approx(value[1] - value[0]).margin(1e-9));
    }
  }
}

TEST_CASE("a NaN in a skipped channel or weight reaches no output and no other gradient", "[gated_conv2d]") {
  const auto c = GENERATE(4, 12);  // directly; by Winograd's transforms
  const std::int64_t samples = 9, outputs = c + 1;
  Context context;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const ops::Conv2dOptions options{1, 1, 1};
  Tensor x = random_tensor(context, {samples, c, 8, 8}, 1, DType::f32),
         w = random_tensor(context, {outputs, c, 3, 3}, 2, DType::f32);
  Tensor gate = Tensor::full(context, {samples, c}, 1), out_gate = Tensor::full(context, {samples, outputs}, 1);
  for (int n = 0; n < samples; ++n) {
    gate.data<float>()[n * c + 2] = 0;
    out_gate.data<float>()[n * outputs + 1] = 0;
    for (int i = 0; i < 64; ++i) x.data<float>()[(n * c + 2) * 64 + i] = nan;
  }
  for (int k = 0; k < outputs; ++k)
    for (int t = 0; t < 9; ++t) w.data<float>()[(k * c + 2) * 9 + t] = nan;
  Tape tape(context);
  const Var tracked = tape.input(w);
  const Var y = ops::gated_input_conv2d(context, x, gate, tracked, options);
  for (const float value : y.value.span<float>()) REQUIRE(std::isfinite(value));
  tape.backward(y, Tensor::full(context, y.shape(), 1));
  const Tensor gradient = tape.gradient(tracked);
  for (std::int64_t i = 0; i < gradient.numel(); ++i) REQUIRE(std::isfinite(gradient.data<float>()[i]));

  Tensor clean = random_tensor(context, {samples, c, 8, 8}, 3, DType::f32),
         poisoned = random_tensor(context, {outputs, c, 3, 3}, 4, DType::f32);
  for (int i = 0; i < 9 * c; ++i) poisoned.data<float>()[9 * c + i] = nan;
  const Tensor out = ops::gated_output_conv2d(context, clean, poisoned, out_gate, options).value;
  for (const float value : out.span<float>()) REQUIRE(std::isfinite(value));
}

TEST_CASE("the bits do not depend on the thread count", "[conv2d]") {
  const auto c = GENERATE(6, 9);  // directly; by Winograd's transforms
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 3}) {
    Context context({.threads = threads});
    const Tensor x = random_tensor(context, {13, c, 10, 10}, 1, DType::f32),
                 w = random_tensor(context, {9, c, 3, 3}, 2, DType::f32);
    Tape tape(context);
    const Var vx = tape.input(x), vw = tape.input(w);
    const Var y = ops::gated_input_conv2d(context, vx, random_gate(context, 13, c, 0.6, DType::f32), vw, {1, 1, 1});
    std::vector<float> all(y.value.span<float>().begin(), y.value.span<float>().end());
    tape.backward(y, random_tensor(context, y.shape(), 3, DType::f32));
    for (const Var* v : {&vx, &vw}) {
      const Tensor gradient = tape.gradient(*v);
      all.insert(all.end(), gradient.span<float>().begin(), gradient.span<float>().end());
    }
    results.push_back(std::move(all));
  }
  REQUIRE(results[0] == results[1]);
  REQUIRE(results[0] == results[2]);
}

TEST_CASE("bad arguments are named with their shapes", "[conv2d]") {
  Context context;
  const Tensor x = Tensor::zeros(context, {1, 3, 8, 8}), w = Tensor::zeros(context, {4, 2, 3, 3}),
               ok = Tensor::zeros(context, {4, 3, 3, 3});
  REQUIRE_THROWS_WITH(ops::conv2d(context, x, w, Var(), {}),
                      Catch::Contains("conv2d") && Catch::Contains("[1, 3, 8, 8]") && Catch::Contains("[4, 2, 3, 3]"));
  REQUIRE_THROWS_AS(ops::conv2d(context, x, ok, Var(), {0, 1, 1}), ShapeError);
  REQUIRE_THROWS_AS(ops::conv2d(context, x, ok, Var(), {1, 0, 5}), ShapeError);
  CHECK(ops::conv2d(context, x, ok, Var(), {256, 1, 1}).shape() == Shape{1, 4, 1, 1});
  REQUIRE_THROWS_WITH(ops::conv2d(context, x, ok, Var(), {2147483647, 1, 1}), Catch::Contains("strides above 256"));
  REQUIRE_THROWS_AS(ops::conv2d(context, x, ok, Tensor::zeros(context, {3}), {}), ShapeError);
  REQUIRE_THROWS_AS(ops::conv2d(context, x, ok.cast(context, DType::f64), Var(), {}), ShapeError);
  REQUIRE_THROWS_WITH(ops::gated_input_conv2d(context, x, Tensor::full(context, {1, 3}, 0.5), ok, {}),
                      Catch::Contains("0.5"));
  REQUIRE_THROWS_AS(ops::gated_output_conv2d(context, x, ok, Tensor::zeros(context, {1, 3}), {}), ShapeError);
}
