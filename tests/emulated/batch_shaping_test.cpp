#include "kernels/batch_shaping/batch_shaping.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <vector>

#include "kernels/batch_shaping/batch_shaping_device.hpp"
#include "tests/emulated/close.hpp"
#include "tests/emulated/orders.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;
using kernels::BatchShapingArguments;
using kernels::BetaDistribution;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Shaped {
  float loss = 0;
  std::vector<float> gradient;
  std::vector<float> losses;
};

Shaped on_device(const BatchShapingArguments& a, const std::vector<float>& values) {
  simt::DeviceArray<float> x(values), gradient(values.size()), loss(1), losses(static_cast<std::size_t>(a.gates));
  simt::DeviceArray<unsigned> ticket(std::vector<unsigned>{0});
  kernels::device::batch_shaping({}, a, x.data(), gradient.data(), loss.data(), {losses.data(), ticket.data()});
  CHECK(test::value_of(ticket) == 0);
  return {test::value_of(loss), gradient.to_host(), losses.to_host()};
}

struct Exact {
  double loss = 0;
  std::vector<double> gradient;
};

Exact in_double(const BatchShapingArguments& a, const std::vector<float>& values) {
  Exact result;
  std::vector<double> x(values.begin(), values.end());
  result.gradient.resize(x.size());
  result.loss = kernels::cpu::batch_shaping<double>({}, a, x.data(), result.gradient.data());
  return result;
}

float clenshaw(const std::array<double, BetaDistribution::kTerms>& c, float x) {
  const float t = 4 * x - 1;
  float b1 = 0, b2 = 0;
  for (std::size_t k = c.size() - 1; k > 0; --k) {
    const float b0 = static_cast<float>(c[k]) + 2 * t * b1 - b2;
    b2 = b1;
    b1 = b0;
  }
  return static_cast<float>(c[0]) + t * b1 - b2;
}

// The definition in float, for finite values.
Shaped naive(const BatchShapingArguments& p, const std::vector<float>& values) {
  Shaped result;
  result.gradient.resize(values.size());
  const auto batch = static_cast<std::size_t>(p.batch), gates = static_cast<std::size_t>(p.gates);
  const auto a = static_cast<float>(p.prior->a()), b = static_cast<float>(p.prior->b());
  float total = 0;
  for (std::size_t gate = 0; gate < gates; ++gate) {
    std::vector<std::size_t> order(batch);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](auto l, auto r) { return values[l * gates + gate] < values[r * gates + gate]; });
    float loss = 0;
    for (std::size_t i = 0; i < batch; ++i) {
      const float value = values[order[i] * gates + gate];
      const float x = p.logits ? 1 / (1 + std::exp(-value)) : value;
      const float upper = p.logits ? 1 / (1 + std::exp(value)) : 1 - value;
      const float cdf = x <= 0.5F ? std::pow(x, a) * clenshaw(p.prior->lower(), x)
                                  : 1 - std::pow(upper, b) * clenshaw(p.prior->upper(), upper);
      const float difference = static_cast<float>(i + 1) / static_cast<float>(batch + 1) - cdf;
      loss += difference * difference;
      const float pdf =
          std::pow(x, a - 1) * std::pow(upper, b - 1) * std::exp(-static_cast<float>(p.prior->log_beta()));
      const float slope =
          std::clamp(pdf, static_cast<float>(p.pdf_min), static_cast<float>(p.pdf_max)) * (p.logits ? x * upper : 1);
      result.gradient[order[i] * gates + gate] = static_cast<float>(-2 * p.scale) * slope * difference;
    }
    total += loss;
  }
  result.loss = static_cast<float>(p.scale) * total;
  return result;
}

// Ties, both zeros, the ends and their neighbours among them.
std::vector<float> probabilities(std::int64_t batch, std::int64_t gates, std::uint64_t seed) {
  test::Numbers numbers(seed);
  std::vector<float> values(static_cast<std::size_t>(batch * gates));
  const float special[] = {0, -0.0F, 1, 0.5F, 1e-30F, 1 - 0x1p-24F, 0.25F, 0.25F};
  for (float& value : values) {
    value = numbers.uniform();
    if (numbers.uniform() < 0.2F) value = special[numbers.below(8)];
  }
  return values;
}

std::vector<float> logits(std::int64_t batch, std::int64_t gates, std::uint64_t seed) {
  test::Numbers numbers(seed);
  std::vector<float> values(static_cast<std::size_t>(batch * gates));
  const float special[] = {0, -0.0F, 30, -30, 1, 1, -1e-20F, 100};
  for (float& value : values) {
    value = 3 * numbers.normal();
    if (numbers.uniform() < 0.2F) value = special[numbers.below(8)];
  }
  return values;
}

// The rule is about a distribution of errors, so it is applied to the losses of many cases together, each relative to
// its exact value.
struct Losses {
  std::vector<float> got, naive;
  std::vector<double> exact;
  ~Losses() { test::check_close(got, exact, naive); }
};

void check(const BatchShapingArguments& a, const std::vector<float>& values, Losses& losses) {
  const Exact exact = in_double(a, values);
  const Shaped plain = naive(a, values);
  const Shaped got = on_device(a, values);
  test::check_close(got.gradient, exact.gradient, plain.gradient);
  const auto relative = [&](float loss) { return static_cast<float>(static_cast<double>(loss) / exact.loss - 1); };
  losses.got.push_back(relative(got.loss));
  losses.naive.push_back(relative(plain.loss));
  losses.exact.push_back(0);
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace

TEST_CASE("batch_shaping on the device: every way to the ranks, values and logits") {
  const BetaDistribution prior(0.6, 0.4);
  test::for_each_order([&](std::string_view order) {
    Losses losses;
    // Batches around every power of two that changes something; gates that fill blocks and do not.
    for (const auto& [batch, gates] : std::vector<std::pair<std::int64_t, std::int64_t>>{
             {1, 1},    {1, 300},  {2, 64},   {3, 64},   {7, 37},   {16, 16}, {33, 9},
             {64, 5},   {100, 3},  {128, 17}, {255, 2},  {256, 3},  {257, 2}, {1000, 1},
             {1024, 2}, {1025, 1}, {2049, 1}, {4096, 1}, {5000, 1}, {8192, 1}}) {
      INFO(order << " batch " << batch << " gates " << gates);
      BatchShapingArguments a{batch, gates, &prior, false, 1 / static_cast<double>(batch)};
      check(a, probabilities(batch, gates, static_cast<std::uint64_t>(batch)), losses);
      a.logits = true;
      check(a, logits(batch, gates, static_cast<std::uint64_t>(batch)), losses);
    }
  });
}

TEST_CASE("batch_shaping on the device: other priors and limits of the density") {
  test::for_each_order([&](std::string_view order) {
    Losses losses;
    for (const auto& [a, b] : std::vector<std::pair<double, double>>{
             {1, 1}, {2, 6}, {0.3, 0.3}, {1, 0.4}, {0.6, 1}, {0.9, 0.1}, {20, 20}, {5, 0.5}}) {
      const BetaDistribution prior(a, b);
      for (const std::int64_t batch : {40, 300}) {
        INFO(order << " Beta(" << a << ", " << b << ") batch " << batch);
        BatchShapingArguments p{batch, 3, &prior, false, 0.25, 0.1, 3};
        check(p, probabilities(batch, 3, 11), losses);
        p.logits = true;
        check(p, logits(batch, 3, 12), losses);
      }
    }
  });
}

TEST_CASE("batch_shaping on the device: equal values have the ranks of their order in the batch", "[small]") {
  const BetaDistribution prior(1, 1);  // gradient -2 * (rank / (batch + 1) - x)
  test::for_each_order([&](std::string_view order) {
    for (const std::int64_t batch : {5, 256, 700}) {
      INFO(order << " batch " << batch);
      std::vector<float> values(static_cast<std::size_t>(batch), 0.5F);
      const BatchShapingArguments a{batch, 1, &prior};
      const auto got = on_device(a, values).gradient;
      for (std::int64_t i = 0; i < batch; ++i)
        REQUIRE(got[static_cast<std::size_t>(i)] ==
                Approx(-2 * (static_cast<double>(i + 1) / static_cast<double>(batch + 1) - 0.5)).margin(1e-6));
    }
    // -0 is 0.
    const BatchShapingArguments a{4, 1, &prior};
    const auto got = on_device(a, {0.0F, -0.0F, 0.0F, -0.0F}).gradient;
    for (std::size_t i = 0; i < 4; ++i) CHECK(got[i] == Approx(-2 * static_cast<double>(i + 1) / 5));
  });
}

TEST_CASE("batch_shaping on the device: a NaN stays in its gate, and so does what is no probability", "[small]") {
  const BetaDistribution prior(0.6, 0.4);
  test::for_each_order([&](std::string_view order) {
    for (const std::int64_t batch : {3, 200, 600, 3000}) {
      INFO(order << " batch " << batch);
      const std::int64_t gates = 4;
      const auto clean = probabilities(batch, gates, 5);
      BatchShapingArguments a{batch, gates, &prior};
      const Shaped before = on_device(a, clean);
      for (const float bad : {kNan, -0.1F, 1.0001F, std::numeric_limits<float>::infinity()}) {
        auto values = clean;
        values[static_cast<std::size_t>((batch - 1) * gates + 2)] = bad;
        const Shaped got = on_device(a, values);
        CHECK(std::isnan(got.loss));
        std::int64_t wrong = 0;
        for (std::size_t i = 0; i < values.size(); ++i)
          wrong += (i % 4 == 2 ? std::isnan(got.gradient[i]) : got.gradient[i] == before.gradient[i]) ? 0 : 1;
        CHECK(wrong == 0);
      }
      // An infinite logit is a gate that is certain.
      a.logits = true;
      auto values = logits(batch, gates, 6);
      values[1] = std::numeric_limits<float>::infinity();
      values[2] = -std::numeric_limits<float>::infinity();
      const Shaped got = on_device(a, values);
      CHECK(std::isfinite(got.loss));
      CHECK(got.gradient[1] == 0);
      CHECK(got.gradient[2] == 0);
    }
  });
}

TEST_CASE("batch_shaping on the device: the same bits in every thread order, and for each number of blocks at once") {
  const BetaDistribution prior(0.6, 0.4);
  for (const std::int64_t batch : {60, 300}) {
    const BatchShapingArguments a{batch, 70, &prior, true};
    const auto values = logits(batch, 70, 3);
    Shaped first;
    test::for_each_order([&](std::string_view order) {
      INFO(order);
      const Shaped got = on_device(a, values);
      if (first.gradient.empty()) first = got;
      CHECK(same_bits(got.gradient, first.gradient));
      CHECK(same_bits({got.loss}, {first.loss}));
    });
  }
}

TEST_CASE("batch_shaping on the device: nothing to do") {
  const BetaDistribution prior(0.6, 0.4);
  for (const auto& [batch, gates] : std::vector<std::pair<std::int64_t, std::int64_t>>{{0, 3}, {4, 0}}) {
    simt::DeviceArray<float> loss(std::vector<float>{7});
    kernels::device::batch_shaping({}, {batch, gates, &prior}, nullptr, nullptr, loss.data(), {});
    CHECK(test::value_of(loss) == 0);
  }
}
