// Two ways to the ranks, both deterministic with ties by index. Up to kCountingBatch values a thread has one value and
// counts the smaller ones: no barrier but one, and the work is small. Beyond, a block sorts one gate's values by a
// radix sort of its own (radix_order.hpp); only indices move, the keys stay where they are.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "kernels/batch_shaping/batch_shaping_device.hpp"
#include "kernels/batch_shaping/radix_order.hpp"
#include "kernels/common/last_block.hpp"
#include "kernels/simt/runtime.hpp"
#include "kernels/simt/simt.hpp"

namespace bsg::kernels::device {
namespace {

constexpr unsigned kCountingBatch = 256;
constexpr unsigned kCountingThreads = 256;

// BetaDistribution in float, with as many Chebyshev terms as float can tell apart.
struct Prior {
  float a, b;
  float a_less_one, b_less_one;
  float log2_beta;
  int terms;
  float lower[BetaDistribution::kTerms], upper[BetaDistribution::kTerms];
};

struct Problem {
  Prior prior;
  unsigned batch, gates;
  bool logits;
  float gradient_scale;  // -2 * scale
  double loss_scale;
  float pdf_min, pdf_max;
  const float* values;
  float* gradient;
  float* losses;
  float* loss;
  unsigned* ticket;
};

// Keys order as the values do, -0 as 0, NaN behind everything. No number has a key above kNanKey - 1.
constexpr unsigned kNanKey = 0xffffffffU;
constexpr unsigned kSign = 0x80000000U;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

__device__ __forceinline__ unsigned key_of(float value, bool logits) {
  if (value != value || (!logits && !(value >= 0 && value <= 1))) return kNanKey;
  const auto bits = simt::bits_of(value + 0.0F);  // -0 + 0 = 0
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}

__device__ __forceinline__ float value_of(unsigned key) {
  return simt::float_of((key & kSign) != 0 ? key & ~kSign : ~key);
}

struct Term {
  float square, gradient;
};

// The part that the value of this key at this rank (1 to batch) has in loss and gradient.
__device__ __forceinline__ Term shape_value(const Problem& p, unsigned key, unsigned rank) {
  const float value = value_of(key);
  float x = value, upper = 1 - value;
  if (p.logits) {
    // The smaller of the two without cancellation, and neither by an overflow.
    const float e = std::exp(-std::fabs(value));
    const float large = 1 / (1 + e), small = e / (1 + e);
    x = value >= 0 ? large : small;
    upper = value >= 0 ? small : large;
  }
  const bool low = x <= 0.5F;
  const float near = low ? x : upper;  // in [0, 1/2]
  const Prior& prior = p.prior;
  const float t = 4 * near - 1;
  float b1 = 0, b2 = 0;
  for (int k = prior.terms - 1; k > 0; --k) {
    const float b0 = std::fma(2 * t, b1, (low ? prior.lower[k] : prior.upper[k]) - b2);
    b2 = b1;
    b1 = b0;
  }
  const float polynomial = std::fma(t, b1, (low ? prior.lower[0] : prior.upper[0]) - b2);
  const float log_x = std::log2(x), log_upper = std::log2(upper);
  const float tail = std::exp2((low ? prior.a : prior.b) * (low ? log_x : log_upper)) * polynomial;
  // Above 1/2 both terms are taken from 1, which float cannot tell from 1 - tail.
  const auto n = static_cast<float>(p.batch + 1);
  const float difference =
      low ? static_cast<float>(rank) / n - tail : tail - static_cast<float>(p.batch + 1 - rank) / n;
  // A parameter of 1 has no power: 0 * log2(0) would be NaN.
  const float power_x = prior.a_less_one == 0 ? 0 : prior.a_less_one * log_x;
  const float power_upper = prior.b_less_one == 0 ? 0 : prior.b_less_one * log_upper;
  const float pdf = std::exp2(power_x + power_upper - prior.log2_beta);
  float slope = std::fmin(std::fmax(pdf, p.pdf_min), p.pdf_max);
  if (p.logits) slope *= x * upper;
  return {difference * difference, p.gradient_scale * slope * difference};
}

// The end of both kernels: this block's losses are written; the last block adds all.
template <unsigned kThreads>
__device__ void add_losses(const Problem& p, simt::BlockSum<double, kThreads>& storage) {
  if (!last_block(p.ticket, simt::grid_size().x)) return;
  double sum = 0;
  for (unsigned gate = simt::thread().x; gate < p.gates; gate += kThreads) sum += static_cast<double>(p.losses[gate]);
  sum = simt::block_sum<kThreads>(storage, sum);
  if (simt::thread().x == 0) *p.loss = static_cast<float>(p.loss_scale * sum);
}

struct CountingStorage {
  unsigned
      keys[2 * kCountingThreads];  // [gate of the block][rows]: an odd number of rows keeps gates in different banks
  float squares[2 * kCountingThreads];  // the same
  simt::BlockSum<double, kCountingThreads> sum;
};

// A block takes gates_per_block gates with `lanes` threads each, both powers of two with product kCountingThreads;
// batch <= lanes. Neighbouring threads have neighbouring gates, so that rows of values are read together.
__global__ void __launch_bounds__(kCountingThreads) shape_by_counting(Problem p, unsigned lanes) {
  auto& s = simt::shared<CountingStorage>();
  const unsigned gates_per_block = kCountingThreads / lanes, rows = lanes | 1;
  const unsigned slot = simt::thread().x % gates_per_block, row = simt::thread().x / gates_per_block;
  const unsigned gate = simt::block().x * gates_per_block + slot;
  const bool valid = gate < p.gates && row < p.batch;
  const std::size_t at = static_cast<std::size_t>(row) * p.gates + gate;
  const unsigned key = valid ? key_of(p.values[at], p.logits) : 0;
  unsigned* keys = s.keys + slot * rows;
  float* squares = s.squares + slot * rows;
  keys[row] = key;
  simt::sync_block();
  unsigned rank = 1;
  bool nan = false;
  for (unsigned other = 0; valid && other < p.batch; ++other) {
    nan |= keys[other] == kNanKey;
    // No key wraps: a NaN's does, but then the rank does not matter.
    rank += keys[other] < key + (other < row ? 1U : 0U) ? 1U : 0U;
  }
  Term term{0, 0};
  if (valid) {
    term = shape_value(p, key, nan ? 1 : rank);
    if (nan) term = {kNan, kNan};
    p.gradient[at] = term.gradient;
  }
  squares[row] = term.square;
  for (unsigned half = lanes / 2; half > 0; half /= 2) {
    simt::sync_block();
    if (row < half) squares[row] += squares[row + half];
  }
  if (row == 0 && gate < p.gates) p.losses[gate] = squares[0];
  add_losses(p, s.sum);
}

template <unsigned kThreads, unsigned kItems>
struct SortingStorage {
  unsigned keys[kThreads * kItems];
  RadixOrderStorage<kThreads, kItems> order;
  simt::BlockSum<float, kThreads> gate_sum;
  simt::BlockSum<double, kThreads> sum;
};

// One block a gate; batch <= kThreads * kItems.
template <unsigned kThreads, unsigned kItems>
__global__ void __launch_bounds__(kThreads) shape_by_sorting(Problem p) {
  auto& s = simt::shared<SortingStorage<kThreads, kItems>>();
  const unsigned gate = simt::block().x, t = simt::thread().x;
  bool nan = false;
  for (unsigned row = t; row < kThreads * kItems; row += kThreads) {
    // Behind the batch come keys above all others, which the sort leaves at the end.
    unsigned key = kNanKey;
    if (row < p.batch) {
      key = key_of(p.values[static_cast<std::size_t>(row) * p.gates + gate], p.logits);
      nan |= key == kNanKey;
    }
    s.keys[row] = key;
  }
  nan = simt::sync_block_any(nan);
  float loss = 0;
  if (nan) {
    loss = kNan;
    for (unsigned row = t; row < p.batch; row += kThreads)
      p.gradient[static_cast<std::size_t>(row) * p.gates + gate] = kNan;
  } else {
    // Probabilities are at most 1: but for the sign, which is set, their keys have 30 bits, and so has the filling's
    // lower end.
    radix_order(s.order, s.keys, p.logits ? 32 : 30);
    for (unsigned i = t; i < p.batch; i += kThreads) {
      const unsigned row = s.order.order[i];
      const Term term = shape_value(p, s.keys[row], i + 1);
      p.gradient[static_cast<std::size_t>(row) * p.gates + gate] = term.gradient;
      loss += term.square;
    }
    loss = simt::block_sum<kThreads>(s.gate_sum, loss);
  }
  if (t == 0) p.losses[gate] = loss;
  add_losses(p, s.sum);
}

// Terms that float can tell apart: what is left out is below 2^-27 of the first.
int float_terms(const std::array<double, BetaDistribution::kTerms>& coefficients) {
  double rest = 0;
  int terms = BetaDistribution::kTerms;
  while (terms > 1) {
    rest += std::fabs(coefficients[static_cast<std::size_t>(terms - 1)]);
    if (rest > 0x1p-27 * std::fabs(coefficients[0])) break;
    --terms;
  }
  return terms;
}

Prior float_prior(const BetaDistribution& beta) {
  Prior prior{};
  prior.a = static_cast<float>(beta.a());
  prior.b = static_cast<float>(beta.b());
  prior.a_less_one = static_cast<float>(beta.a() - 1);
  prior.b_less_one = static_cast<float>(beta.b() - 1);
  prior.log2_beta = static_cast<float>(beta.log_beta() / std::log(2.0));
  prior.terms = std::max(float_terms(beta.lower()), float_terms(beta.upper()));
  for (std::size_t k = 0; k < BetaDistribution::kTerms; ++k) {
    prior.lower[k] = static_cast<float>(beta.lower()[k]);
    prior.upper[k] = static_cast<float>(beta.upper()[k]);
  }
  return prior;
}

template <unsigned kThreads, unsigned kItems>
void launch_sorting(const Launch& launch, const Problem& p) {
  simt::launch<SortingStorage<kThreads, kItems>>(shape_by_sorting<kThreads, kItems>, {p.gates, 1, 1}, {kThreads, 1, 1},
                                                 launch.stream, p);
}

}  // namespace

void batch_shaping(const Launch& launch, const BatchShapingArguments& a, const float* values, float* gradient,
                   float* loss, const BatchShapingScratch& scratch) {
  if (a.batch == 0 || a.gates == 0) return simt::clear(loss, 0, sizeof(float), launch.stream);
  Problem p{};
  p.prior = float_prior(*a.prior);
  p.batch = static_cast<unsigned>(a.batch);
  p.gates = static_cast<unsigned>(a.gates);
  p.logits = a.logits;
  p.gradient_scale = static_cast<float>(-2 * a.scale);
  p.loss_scale = a.scale;
  p.pdf_min = static_cast<float>(a.pdf_min);
  p.pdf_max = static_cast<float>(a.pdf_max);
  p.values = values;
  p.gradient = gradient;
  p.losses = scratch.losses;
  p.loss = loss;
  p.ticket = scratch.ticket;
  if (p.batch <= kCountingBatch) {
    const unsigned lanes = std::bit_ceil(p.batch), gates_per_block = kCountingThreads / lanes;
    simt::launch<CountingStorage>(shape_by_counting, {(p.gates + gates_per_block - 1) / gates_per_block, 1, 1},
                                  {kCountingThreads, 1, 1}, launch.stream, p, lanes);
  } else if (p.batch <= 1024) {
    launch_sorting<256, 4>(launch, p);
  } else if (p.batch <= 2048) {
    launch_sorting<256, 8>(launch, p);
  } else if (p.batch <= 4096) {
    launch_sorting<256, 16>(launch, p);
  } else {
    launch_sorting<512, 16>(launch, p);
  }
}

}  // namespace bsg::kernels::device
