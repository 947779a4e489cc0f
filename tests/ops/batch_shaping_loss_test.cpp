#include "engine/ops/batch_shaping_loss.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "engine/core/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/gradient_check.hpp"

using namespace bsg;

namespace {

using Real = long double;

Real log_beta(Real a, Real b) { return std::lgamma(a) + std::lgamma(b) - std::lgamma(a + b); }

// I_x(a, b) by Lentz's evaluation of the continued fraction (DLMF 8.17.22), independent of the kernel's polynomials.
Real incomplete_beta(Real a, Real b, Real x) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incomplete_beta(b, a, 1 - x);
  const Real tiny = 1e-4000L;
  Real c = 1, d = 1 - (a + b) * x / (a + 1);
  d = 1 / (std::fabs(d) < tiny ? tiny : d);
  Real f = d;
  for (int m = 1; m < 2000; ++m) {
    for (const Real numerator : {m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
                                 -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))}) {
      d = 1 + numerator * d;
      d = 1 / (std::fabs(d) < tiny ? tiny : d);
      c = 1 + numerator / c;
      if (std::fabs(c) < tiny) c = tiny;
      f *= c * d;
    }
    if (std::fabs(c * d - 1) < 1e-19L) break;
  }
  return std::exp(a * std::log(x) + b * std::log1p(-x) - log_beta(a, b)) / a * f;
}

struct Reference {
  Real loss = 0;
  std::vector<Real> gradient;
};

// Ranks by a stable sort of the values themselves; logits stand for their sigmoid.
template <class T>
Reference reference(const Tensor& x, Real a, Real b, bool logits) {
  const std::int64_t n = x.shape()[0], gates = x.shape()[1];
  Reference result;
  result.gradient.resize(static_cast<std::size_t>(x.numel()));
  for (std::int64_t g = 0; g < gates; ++g) {
    std::vector<std::int64_t> order(static_cast<std::size_t>(n));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](auto l, auto r) { return x.data<T>()[l * gates + g] < x.data<T>()[r * gates + g]; });
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int64_t at = order[static_cast<std::size_t>(i)] * gates + g;
      const Real given = x.data<T>()[at];
      const Real value = logits ? 1 / (1 + std::exp(-given)) : given;
      const Real rest = logits ? 1 / (1 + std::exp(given)) : 1 - given;
      const Real cdf = value < 0.5L ? incomplete_beta(a, b, value) : 1 - incomplete_beta(b, a, rest);
      const Real difference = static_cast<Real>(i + 1) / (n + 1) - cdf;
      const Real density = std::pow(value, a - 1) * std::pow(rest, b - 1) * std::exp(-log_beta(a, b));
      result.loss += difference * difference / n;
      result.gradient[static_cast<std::size_t>(at)] =
          -2 * std::clamp<Real>(density, 1e-3L, 100) * (logits ? value * rest : 1) * difference / n;
    }
  }
  return result;
}

// Random values of a wide range with ties, exact 0 and 1, 1e-30 and 1 - 1e-7 among them.
Tensor values(Context& context, std::int64_t n, std::int64_t gates, DType dtype) {
  Tensor x = Tensor::empty(context, {n, gates}, DType::f64);
  Generator random(static_cast<std::uint64_t>(n));
  for (double& value : x.span<double>())
    value = random.uniform() < 0.1 ? 0.25 : 1 / (1 + std::exp(-4 * random.normal()));
  const double special[] = {0.0, 1.0, 1e-30, 1 - 1e-7, 0.5, 0.0};
  for (std::int64_t i = 0; i < std::min<std::int64_t>(6, x.numel() - 1); ++i)
    x.data<double>()[(i * 7 + 1) % x.numel()] = special[i];
  return x.cast(context, dtype);
}

template <class T>
void compare(Context& context, const Tensor& x, double a, double b, bool logits = false) {
  Tape tape(context);
  const Var tracked = tape.input(x);
  const ops::BatchShapingOptions options{.a = a, .b = b};
  const Var loss = logits ? ops::batch_shaping_loss_from_logits(context, tracked, options)
                          : ops::batch_shaping_loss(context, tracked, options);
  tape.backward(loss);
  const Tensor gradient = tape.gradient(tracked);
  const Reference expected = reference<T>(x, a, b, logits);
  CAPTURE(x.shape().str(), a, b, logits);
  CHECK(std::fabs(loss.value.data<T>()[0] - expected.loss) <= 1e-6L * expected.loss);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    const Real want = expected.gradient[static_cast<std::size_t>(i)];
    // A difference that nearly cancels has no relative precision left: there the bound is against a difference of 1e-3.
    const Real floor = 2e-3L / x.shape()[0];
    INFO("element " << i << " value " << static_cast<double>(x.data<T>()[i]));
    REQUIRE(std::fabs(gradient.data<T>()[i] - want) <= 1e-5L * std::max(std::fabs(want), floor * 1e-3L));
  }
}

}  // namespace

TEST_CASE("the reference of these tests agrees with closed forms", "[batch_shaping]") {
  for (const Real x : {1e-30L, 1e-7L, 0.1L, 0.25L, 0.5L, 0.7L, 0.999L, 1 - 1e-10L}) {
    CAPTURE(static_cast<double>(x));
    CHECK(std::fabs(incomplete_beta(1, 1, x) - x) <= 1e-17L * x);
    // asin(sqrt(x)), which loses digits where x is near 1.
    const Real angle = x < 0.5L ? std::asin(std::sqrt(x)) : std::numbers::pi_v<Real> / 2 - std::asin(std::sqrt(1 - x));
    CHECK(std::fabs(incomplete_beta(0.5L, 0.5L, x) - 2 / std::numbers::pi_v<Real> * angle) <= 1e-17L);
    const Real y = 1 - x, y6 = y * y * y * y * y * y;
    CHECK(std::fabs(incomplete_beta(2, 6, x) - (1 - 7 * y6 + 6 * y6 * y)) <= 1e-17L);
  }
}

TEST_CASE("batch shaping agrees with a long-double incomplete beta function", "[batch_shaping]") {
  Context context({.threads = 2});
  for (const auto& [a, b] : {std::pair{0.6, 0.4}, {0.9, 0.1}, {2.0, 6.0}})
    for (const std::int64_t n : {1, 2, 3, 255, 256, 4096}) {
      compare<float>(context, values(context, n, 5, DType::f32), a, b);
      compare<double>(context, values(context, n, 5, DType::f64), a, b);
    }
}

TEST_CASE("batch shaping where every value of a gate is an extreme one", "[batch_shaping]") {
  Context context;
  for (const auto& [a, b] : {std::pair{0.6, 0.4}, {0.9, 0.1}, {2.0, 6.0}})
    for (const std::int64_t n : {1, 2, 256})
      for (const double value : {0.0, 1.0, 1e-30, 1 - 1e-7, 0.5}) {
        compare<float>(context, Tensor::full(context, {n, 2}, value), a, b);
        compare<double>(context, Tensor::full(context, {n, 2}, value, DType::f64), a, b);
      }
}

TEST_CASE("batch shaping on logits agrees with the reference, far out in the tails too", "[batch_shaping]") {
  Context context({.threads = 2});
  for (const auto& [a, b] : {std::pair{0.6, 0.4}, {0.9, 0.1}, {2.0, 6.0}})
    for (const std::int64_t n : {1, 2, 3, 255, 256, 4096}) {
      Tensor logits = test::random_tensor(context, {n, 3}, 5, DType::f64, 4.0);
      const double special[] = {-700, 700, -69, 16, 0, 0, 37, -std::numeric_limits<double>::infinity()};
      for (std::int64_t i = 0; i < std::min<std::int64_t>(8, logits.numel()); ++i)
        logits.data<double>()[i * 7 % logits.numel()] = special[i];
      compare<float>(context, logits.cast(context, DType::f32), a, b, true);
      compare<double>(context, logits, a, b, true);
    }
  Tensor x = test::random_tensor(context, {4, 2}, 1, DType::f32);
  x.data<float>()[3] = std::numeric_limits<float>::quiet_NaN();
  Tape tape(context);
  const Var tracked = tape.input(x);
  const Var loss = ops::batch_shaping_loss_from_logits(context, tracked);
  tape.backward(loss);
  CHECK(std::isnan(loss.value.data<float>()[0]));
  for (int i = 0; i < 8; ++i) CHECK(std::isnan(tape.gradient(tracked).data<float>()[i]) == (i % 2 == 1));
}

TEST_CASE("batch shaping takes priors up to Beta(20, 20), where its series still converge", "[batch_shaping]") {
  Context context;
  for (const auto& [a, b] : {std::pair{20.0, 20.0}, {0.01, 20.0}, {20.0, 0.01}, {1.0, 1.0}, {0.5, 0.5}})
    compare<double>(context, values(context, 255, 5, DType::f64), a, b);
  const Tensor x = Tensor::full(context, {2, 2}, 0.5);
  for (const auto& [a, b] : {std::pair{20.5, 1.0}, {1.0, 20.5}, {0.0, 1.0}, {1.0, -1.0}, {std::nan(""), 1.0}})
    REQUIRE_THROWS_WITH(ops::batch_shaping_loss(context, x, {.a = a, .b = b}), Catch::Contains("at most 20"));
  REQUIRE_THROWS_WITH(ops::batch_shaping_loss(context, x, {.pdf_min = 2, .pdf_max = 1}), Catch::Contains("[2, 1]"));
}

TEST_CASE("batch shaping on logits is batch shaping on their sigmoid", "[batch_shaping]") {
  Context context;
  const Tensor logits = test::random_tensor(context, {40, 6}, 1, DType::f64, 2.0);
  Tensor x = logits.clone(context);
  for (double& value : x.span<double>()) value = 1 / (1 + std::exp(-value));
  CHECK(ops::batch_shaping_loss_from_logits(context, logits).value.data<double>()[0] ==
        Approx(ops::batch_shaping_loss(context, x).value.data<double>()[0]).epsilon(1e-12));
  test::check_gradients(
      "batch_shaping_loss_from_logits",
      [](Context& c, const std::vector<Var>& in) { return ops::batch_shaping_loss_from_logits(c, in[0]); }, {logits},
      context);
  test::check_gradients(
      "batch_shaping_loss",
      [](Context& c, const std::vector<Var>& in) { return ops::batch_shaping_loss(c, in[0], {.a = 2, .b = 6}); }, {x},
      context, {.step = 1e-6, .tolerance = 1e-5});
}

TEST_CASE("batch shaping: ties by order in the batch, a NaN stays in its gate, normalisations, threads",
          "[batch_shaping]") {
  std::vector<std::vector<float>> gradients;
  for (const int threads : {1, 2, 3}) {
    Context context({.threads = threads});
    Tape tape(context);
    Tensor x = values(context, 33, 7, DType::f32);
    x.data<float>()[4 * 7 + 3] = std::numeric_limits<float>::quiet_NaN();
    const Var tracked = tape.input(x);
    const Var loss = ops::batch_shaping_loss(context, tracked);
    CHECK(std::isnan(loss.value.data<float>()[0]));
    tape.backward(loss);
    const Tensor gradient = tape.gradient(tracked);
    std::vector<float> finite;
    for (std::int64_t i = 0; i < gradient.numel(); ++i) {
      REQUIRE(std::isnan(gradient.data<float>()[i]) == (i % 7 == 3));
      if (i % 7 != 3) finite.push_back(gradient.data<float>()[i]);
    }
    gradients.push_back(finite);
  }
  CHECK(gradients[0] == gradients[1]);
  CHECK(gradients[0] == gradients[2]);

  Context context;
  const Tensor tied = Tensor::full(context, {3, 1}, 0.3, DType::f64);
  Tape tape(context);
  const Var tracked = tape.input(tied);
  tape.backward(ops::batch_shaping_loss(context, tracked));
  const Tensor gradient = tape.gradient(tracked);
  CHECK(gradient.data<double>()[0] > gradient.data<double>()[1]);  // -2 pdf (e - P): a later rank pulls further up
  CHECK(gradient.data<double>()[1] > gradient.data<double>()[2]);

  const Tensor x = values(context, 8, 4, DType::f64);
  const auto loss = [&](ops::ShapingNormalization n) {
    return ops::batch_shaping_loss(context, x, {.normalization = n}).value.data<double>()[0];
  };
  const double sum = loss(ops::ShapingNormalization::batch_sum_gate_sum);
  CHECK(loss(ops::ShapingNormalization::batch_mean_gate_sum) == Approx(sum / 8));
  CHECK(loss(ops::ShapingNormalization::batch_mean_gate_mean) == Approx(sum / 32));
  CHECK(loss(ops::ShapingNormalization::batch_sum_gate_mean) == Approx(sum / 4));
  REQUIRE_THROWS_WITH(ops::batch_shaping_loss(context, Tensor::full(context, {2, 2}, 1.5)), Catch::Contains("1.5"));
  REQUIRE_THROWS_AS(ops::batch_shaping_loss(context, x, {.a = 0}), ShapeError);
}
