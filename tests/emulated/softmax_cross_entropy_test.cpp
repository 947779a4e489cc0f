#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/softmax_cross_entropy/softmax_cross_entropy_device.hpp"
#include "tests/emulated/close.hpp"
#include "tests/emulated/orders.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;
namespace device = kernels::device;
using device::CrossEntropy;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

template <class R>
struct Result {
  R loss = 0;
  std::vector<R> gradient;
};

// By the definition, without the trick of the largest logit: for logits of moderate size, and -infinity. weights: of
// the classes.
template <class R>
Result<R> plain(const CrossEntropy& a, const std::vector<float>& logits, const std::vector<std::int64_t>& labels,
                const std::vector<float>& weights) {
  const auto classes = static_cast<std::size_t>(a.classes);
  Result<R> result;
  result.gradient.assign(logits.size(), 0);
  const auto weight = [&](std::size_t k) { return static_cast<R>(weights[k]); };
  R counted = 0, all_weights = 0;
  for (const std::int64_t label : labels)
    if (label != a.ignore_index) counted += weight(static_cast<std::size_t>(label));
  for (std::size_t k = 0; k < classes; ++k) all_weights += weight(k);
  const auto smooth = static_cast<R>(a.label_smoothing);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] == a.ignore_index) continue;
    R sum = 0, mean = 0;
    for (std::size_t k = 0; k < classes; ++k) {
      const auto z = static_cast<R>(logits[i * classes + k]);
      sum += std::exp(z);
      mean += weight(k) * z / static_cast<R>(classes);
    }
    const R log_sum = std::log(sum);
    const auto label = static_cast<std::size_t>(labels[i]);
    R loss = (1 - smooth) * weight(label) * (log_sum - static_cast<R>(logits[i * classes + label]));
    if (smooth > 0) loss += smooth * (all_weights / static_cast<R>(classes) * log_sum - mean);
    result.loss += loss / counted;
    for (std::size_t k = 0; k < classes; ++k) {
      const R target = (k == label ? (1 - smooth) * weight(label) : 0) + smooth * weight(k) / static_cast<R>(classes);
      const R factor = (1 - smooth) * weight(label) + smooth * all_weights / static_cast<R>(classes);
      result.gradient[i * classes + k] =
          (factor * std::exp(static_cast<R>(logits[i * classes + k]) - log_sum) - target) / counted;
    }
  }
  return result;
}

template <class T>
struct Device {
  Device(const CrossEntropy& a, const std::vector<float>& z, const std::vector<std::int64_t>& l)
      : arguments(a),
        logits(test::narrowed<T>(z)),
        labels(l),
        loss(1),
        log_sum(l.size()),
        share(1),
        partials(static_cast<std::size_t>(device::CrossEntropyScratch::kPartials)),
        ticket(std::vector<unsigned>{0}) {
    device::softmax_cross_entropy<T>({}, a, logits.data(), labels.data(), loss.data(), {log_sum.data(), share.data()},
                                     {partials.data(), ticket.data()});
    CHECK(test::value_of(ticket) == 0);
  }
  // Added to `old` where that is given.
  std::vector<float> gradient(const float* dloss, const std::vector<float>* old = nullptr) {
    simt::DeviceArray<T> dz(logits.size());
    if (old != nullptr) dz.assign(test::narrowed<T>(*old));
    device::softmax_cross_entropy_backward<T>({}, arguments, logits.data(), labels.data(),
                                              {log_sum.data(), share.data()}, dloss, dz.data(), old != nullptr);
    return test::widened(dz.to_host());
  }
  CrossEntropy arguments;
  simt::DeviceArray<T> logits;
  simt::DeviceArray<std::int64_t> labels;
  simt::DeviceArray<float> loss, log_sum, share;
  simt::DeviceArray<double> partials;
  simt::DeviceArray<unsigned> ticket;
};

// Results of several cases. The rule is about a distribution of errors, so those with few numbers are judged together.
struct Pool {
  std::vector<float> got, naive;
  std::vector<double> exact;
  void add(const std::vector<float>& g, const std::vector<double>& e, const std::vector<float>& n) {
    got.insert(got.end(), g.begin(), g.end());
    exact.insert(exact.end(), e.begin(), e.end());
    naive.insert(naive.end(), n.begin(), n.end());
  }
  ~Pool() { test::check_close(got, exact, naive); }
};

template <class T>
void check(CrossEntropy a, bool weighted, Pool& losses, Pool& small) {
  constexpr double kEpsilon = sizeof(T) == 4 ? 0x1p-23 : 0x1p-8;
  test::Numbers numbers(static_cast<std::uint64_t>(a.positions * 100 + a.classes));
  auto z = numbers.normals(a.positions * a.classes);
  for (float& value : z) value = test::widened(test::narrowed<T>(3 * value));
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < a.positions; ++i)
    labels.push_back(numbers.uniform() < 0.2F ? a.ignore_index : numbers.below(a.classes));
  std::vector<float> weights(static_cast<std::size_t>(a.classes), 1);
  for (float& weight : weights)
    if (weighted) weight = 0.1F + 3 * numbers.uniform();
  const simt::DeviceArray<float> class_weights(weights);
  if (weighted) a.class_weights = class_weights.data();
  const auto exact = plain<double>(a, z, labels, weights);
  const auto naive = plain<float>(a, z, labels, weights);
  Device<T> on(a, z, labels);
  const float loss = test::value_of(on.loss);
  if (exact.loss == 0) {
    CHECK(loss == Approx(0).margin(1e-6));
  } else {
    losses.add({static_cast<float>(static_cast<double>(loss) / exact.loss - 1)}, {0},
               {static_cast<float>(static_cast<double>(naive.loss) / exact.loss - 1)});
  }
  const auto rounded = [](const std::vector<float>& v) { return test::widened(test::narrowed<T>(v)); };
  if (sizeof(T) == 4 && z.size() < 100) {
    small.add(on.gradient(nullptr), exact.gradient, naive.gradient);
  } else {
    test::check_close(on.gradient(nullptr), exact.gradient, rounded(naive.gradient), kEpsilon);
  }
  // Scaled, and added to what is there.
  simt::DeviceArray<float> dloss(std::vector<float>{-2});
  const auto old = rounded(numbers.normals(a.positions * a.classes));
  std::vector<double> sum;
  std::vector<float> naive_sum;
  for (std::size_t i = 0; i < z.size(); ++i) {
    sum.push_back(static_cast<double>(old[i]) - 2 * exact.gradient[i]);
    naive_sum.push_back(old[i] - 2 * naive.gradient[i]);
  }
  test::check_close(on.gradient(dloss.data(), &old), sum, rounded(naive_sum), kEpsilon);
}

}  // namespace

TEST_CASE("softmax_cross_entropy on the device agrees with the definition") {
  test::for_each_order([](std::string_view order) {
    INFO(order);
    Pool losses, small;
    for (const std::int64_t positions : {1, 2, 7, 8, 64, 129, 5000})
      for (const std::int64_t classes : {1, 2, 10, 19, 32, 33, 100, 1000}) {
        if (positions * classes > 100000) continue;
        for (const double smoothing : {0.0, 0.1}) {
          for (const bool weighted : {false, true}) {
            if (weighted && positions > 200) continue;
            INFO(order << " " << positions << " x " << classes << " smoothing " << smoothing << " " << weighted);
            check<float>({positions, classes, smoothing}, weighted, losses, small);
            if (positions < 200) check<simt::bfloat16>({positions, classes, smoothing, 255}, weighted, losses, small);
          }
        }
      }
  });
}

TEST_CASE("softmax_cross_entropy on the device: large logits, masked classes, NaN", "[small]") {
  test::for_each_order([](std::string_view order) {
    INFO(order);
    const CrossEntropy a{1, 3};
    Device<float> large(a, {1000, 998, -1000}, {0});
    CHECK(test::value_of(large.loss) == Approx(std::log1p(std::exp(-2.0))));
    CHECK(large.gradient(nullptr)[2] == 0);
    Device<float> masked(a, {1, 2, -kInfinity}, {1});
    CHECK(test::value_of(masked.loss) == Approx(std::log1p(std::exp(-1.0))));
    CHECK(masked.gradient(nullptr)[2] == 0);
    Device<float> nan({2, 2}, {0, std::nanf(""), 1, 2}, {0, 0});
    CHECK(std::isnan(test::value_of(nan.loss)));
    const auto gradient = nan.gradient(nullptr);
    CHECK(std::isnan(gradient[0]));
    CHECK(std::isfinite(gradient[2]));
  });
}

TEST_CASE("softmax_cross_entropy on the device: everything ignored, nothing there, labels that are no class") {
  test::for_each_order([](std::string_view order) {
    INFO(order);
    Device<float> ignored({2, 2}, {1, 2, 3, 4}, {-100, -100});
    CHECK(test::value_of(ignored.loss) == 0);
    CHECK(ignored.gradient(nullptr) == std::vector<float>(4, 0));
    const simt::DeviceArray<float> none(std::vector<float>{0, 1});
    Device<float> weightless({2, 2, 0, -100, none.data()}, {1, 2, 3, 4}, {0, 0});
    CHECK(test::value_of(weightless.loss) == 0);
    CHECK(weightless.gradient(nullptr) == std::vector<float>(4, 0));
    Device<float> empty({0, 5}, {}, {});
    CHECK(test::value_of(empty.loss) == 0);
    for (const std::int64_t label : {-1, 2, 1000000}) {
      Device<float> wrong({2, 2}, {1, 2, 3, 4}, {label, 0});
      CHECK(std::isnan(test::value_of(wrong.loss)));
      const auto gradient = wrong.gradient(nullptr);
      CHECK(std::isnan(gradient[0]));
      CHECK(std::isfinite(gradient[2]));
    }
  });
}
