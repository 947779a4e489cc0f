#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "kernels/batch_shaping/batch_shaping.hpp"

namespace bsg::kernels {
namespace {

using Coefficients = std::array<double, BetaDistribution::kTerms>;

// I_x(a, b) x^-a, by its power series: sum of (1-b)(2-b)...(n-b) / n! x^n / (a + n), over B(a, b). Falls by 2 a term on
// [0, 1/2].
long double series(long double a, long double b, long double log_beta, long double x) {
  long double sum = 0, factor = 1;
  for (int n = 0; n < 400; ++n) {
    const long double term = factor / (a + n);
    sum += term;
    factor *= (n + 1 - b) / (n + 1) * x;
    if (n > b && std::fabs(factor) < 1e-22L * std::fabs(sum)) break;
  }
  return sum * std::exp(-log_beta);
}

// Chebyshev interpolation on [0, 1/2].
Coefficients fit(long double a, long double b, long double log_beta) {
  constexpr int n = BetaDistribution::kTerms;
  const long double step = std::numbers::pi_v<long double> / n;
  std::array<long double, n> at{};
  for (int j = 0; j < n; ++j)
    at[static_cast<std::size_t>(j)] = series(a, b, log_beta, (std::cos(step * (j + 0.5L)) + 1) / 4);
  Coefficients c{};
  for (int k = 0; k < n; ++k) {
    long double sum = 0;
    for (int j = 0; j < n; ++j) sum += at[static_cast<std::size_t>(j)] * std::cos(step * k * (j + 0.5L));
    c[static_cast<std::size_t>(k)] = static_cast<double>(sum * (k == 0 ? 1 : 2) / n);
  }
  return c;
}

// Clenshaw's recurrence for x in [0, 1/2].
double evaluate(const Coefficients& c, double x) {
  const double t = 4 * x - 1;
  double b1 = 0, b2 = 0;
  for (std::size_t k = c.size() - 1; k > 0; --k) {
    const double b0 = c[k] + 2 * t * b1 - b2;
    b2 = b1;
    b1 = b0;
  }
  return c[0] + t * b1 - b2;
}

}  // namespace

BetaDistribution::BetaDistribution(double a, double b) : a_(a), b_(b) {
  const long double log_beta = std::lgamma(static_cast<long double>(a)) + std::lgamma(static_cast<long double>(b)) -
                               std::lgamma(static_cast<long double>(a) + b);
  log_beta_ = static_cast<double>(log_beta);
  lower_ = fit(a, b, log_beta);
  upper_ = fit(b, a, log_beta);
}

double BetaDistribution::cdf(double x, double upper) const {
  if (x <= 0.5) return std::pow(x, a_) * evaluate(lower_, x);
  return 1 - std::pow(upper, b_) * evaluate(upper_, upper);
}

double BetaDistribution::pdf(double x, double upper) const {
  return std::pow(x, a_ - 1) * std::pow(upper, b_ - 1) * std::exp(-log_beta_);
}

namespace cpu {

template <class T>
double batch_shaping(const Launch& launch, const BatchShapingArguments& a, const T* values, T* gradient) {
  std::vector<double> losses(static_cast<std::size_t>(a.gates));
#pragma omp parallel for num_threads(launch.threads) schedule(static)
  for (std::int64_t gate = 0; gate < a.gates; ++gate) {
    struct Item {
      double value;
      std::int64_t row;
    };
    std::vector<Item> items(static_cast<std::size_t>(a.batch));
    bool nan = false;
    for (std::int64_t row = 0; row < a.batch; ++row) {
      const double value = values[row * a.gates + gate];
      nan |= std::isnan(value);
      items[static_cast<std::size_t>(row)] = {value, row};
    }
    if (nan) {
      losses[static_cast<std::size_t>(gate)] = std::numeric_limits<double>::quiet_NaN();
      for (std::int64_t row = 0; row < a.batch; ++row)
        gradient[row * a.gates + gate] = std::numeric_limits<T>::quiet_NaN();
      continue;
    }
    std::ranges::sort(
        items, [](const Item& l, const Item& r) { return l.value != r.value ? l.value < r.value : l.row < r.row; });
    double loss = 0;
    for (std::int64_t i = 0; i < a.batch; ++i) {
      const auto& [value, row] = items[static_cast<std::size_t>(i)];
      const double x = a.logits ? 1 / (1 + std::exp(-value)) : value;
      const double upper = a.logits ? 1 / (1 + std::exp(value)) : 1 - value;
      const double difference = static_cast<double>(i + 1) / static_cast<double>(a.batch + 1) - a.prior->cdf(x, upper);
      loss += difference * difference;
      const double slope = std::clamp(a.prior->pdf(x, upper), a.pdf_min, a.pdf_max) * (a.logits ? x * upper : 1);
      gradient[row * a.gates + gate] = static_cast<T>(-2 * a.scale * slope * difference);
    }
    losses[static_cast<std::size_t>(gate)] = loss;
  }
  double total = 0;
  for (const double loss : losses) total += loss;
  return a.scale * total;
}

template double batch_shaping<float>(const Launch&, const BatchShapingArguments&, const float*, float*);
template double batch_shaping<double>(const Launch&, const BatchShapingArguments&, const double*, double*);

}  // namespace cpu
}  // namespace bsg::kernels
