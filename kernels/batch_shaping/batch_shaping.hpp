// The batch-shaping loss (Ehteshami Bejnordi et al. 2020, section 3.3): for each gate, the squared distance between the
// empirical distribution of its values over the batch and a Beta prior (a Cramer-von Mises statistic), with its
// gradient.
#pragma once

#include <array>
#include <cstdint>

#include "kernels/common/launch.hpp"

namespace bsg::kernels {

// I_x(a, b), the distribution function of Beta(a, b), without iteration: I_x = x^a P(x) for x <= 1/2 and 1 - (1 - x)^b
// Q(1 - x) otherwise. P and Q are analytic for |x| < 1, so their Chebyshev series on [0, 1/2] falls by 5.8 a term for
// every a and b. 0 < a, b <= kLargest: up to there the error is at most 4e-12, but large parameters make P and Q steep
// (6e-7 for Beta(50, 5), useless for Beta(100, 5)).
class BetaDistribution {
 public:
  static constexpr int kTerms = 24;
  static constexpr double kLargest = 20;

  BetaDistribution(double a, double b);
  // upper = 1 - x, given apart because it may be far below the spacing of numbers near 1.
  double cdf(double x, double upper) const;
  // Infinite at 0 when a < 1, at 1 when b < 1.
  double pdf(double x, double upper) const;

  double a() const { return a_; }
  double b() const { return b_; }
  double log_beta() const { return log_beta_; }  // log B(a, b)
  // Chebyshev coefficients of P and Q, for the argument 4 x - 1.
  const std::array<double, kTerms>& lower() const { return lower_; }
  const std::array<double, kTerms>& upper() const { return upper_; }

 private:
  double a_, b_, log_beta_;
  std::array<double, kTerms> lower_, upper_;
};

struct BatchShapingArguments {
  std::int64_t batch = 0, gates = 0;
  const BetaDistribution* prior = nullptr;
  bool logits = false;    // values are logits z, and stand for sigmoid(z); the gradient is then for z
  double scale = 1;       // of the loss and the gradient
  double pdf_min = 1e-3;  // the density is clipped to this range in the gradient
  double pdf_max = 100;
};

namespace cpu {

// values [batch, gates] in [0, 1], or logits. Returns scale * sum over gates and i = 1..batch of (i / (batch + 1) -
// cdf(i-th smallest))^2 and writes the gradient [batch, gates]. Computed in double for either type. Equal values keep
// their order in the batch, so each gets a rank of its own. A gate with a NaN has a NaN loss and gradient, other gates'
// gradients are untouched. The same bits for every thread count.
template <class T>
double batch_shaping(const Launch& launch, const BatchShapingArguments& arguments, const T* values, T* gradient);

}  // namespace cpu
}  // namespace bsg::kernels
