#include <cmath>
#include <limits>
#include <vector>

#include "kernels/batch_norm/batch_norm_device.hpp"
#include "tests/emulated/close.hpp"
#include "tests/emulated/orders.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;
namespace device = kernels::device;
using device::BatchNormRows;

namespace {

constexpr double kRounding = 1e-5;  // epsilon of the normalisation

// Rows fewer and more than a block's, one and many parts, channels that vectors divide and that they do not.
const std::vector<BatchNormRows> kShapes{{2, 1},    {3, 16},   {37, 16},   {64, 257}, {1000, 7},
                                         {300, 64}, {5000, 8}, {4000, 16}, {1, 4},    {700, 40}};

// mean and variance in precision R, by two passes.
template <class R>
void moments(const BatchNormRows& s, const std::vector<float>& x, std::vector<R>& mean, std::vector<R>& variance) {
  const auto channels = static_cast<std::size_t>(s.channels);
  mean.assign(channels, 0);
  variance.assign(channels, 0);
  for (std::size_t i = 0; i < x.size(); ++i) mean[i % channels] += static_cast<R>(x[i]);
  for (R& m : mean) m /= static_cast<R>(s.rows);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const R difference = static_cast<R>(x[i]) - mean[i % channels];
    variance[i % channels] += difference * difference;
  }
  for (R& v : variance) v /= static_cast<R>(s.rows);
}

struct Scratch {
  explicit Scratch(const BatchNormRows& s)
      : partials(static_cast<std::size_t>(device::batch_norm_partials(s))),
        tickets(std::vector<unsigned>(static_cast<std::size_t>(device::batch_norm_tickets(s)))) {}
  simt::DeviceArray<double> partials;
  simt::DeviceArray<unsigned> tickets;
  device::BatchNormScratch get() { return {partials.data(), tickets.data()}; }
};

template <class T>
constexpr double kEpsilon = sizeof(T) == 4 ? 0x1p-23 : 0x1p-8;

template <class T>
void check_statistics(const BatchNormRows& s, float offset) {
  auto x = test::Numbers(21).normals(s.rows * s.channels);
  for (float& value : x) value += offset;
  x = test::widened(test::narrowed<T>(x));
  std::vector<double> mean, variance;
  std::vector<float> naive_mean, naive_variance;
  moments(s, x, mean, variance);
  moments(s, x, naive_mean, naive_variance);

  const auto channels = static_cast<std::size_t>(s.channels);
  simt::DeviceArray<T> input(test::narrowed<T>(x));
  simt::DeviceArray<double> got_mean(channels), got_inverse(channels);
  simt::DeviceArray<float> running_mean(std::vector<float>(channels, 3)), running_var(std::vector<float>(channels, 5));
  Scratch scratch(s);
  device::batch_norm_statistics<T>(
      {}, s, input.data(),
      {got_mean.data(), got_inverse.data(), kRounding, running_mean.data(), running_var.data(), 0.1}, scratch.get());
  const auto floats = [](const std::vector<double>& v) { return std::vector<float>(v.begin(), v.end()); };
  test::check_close(floats(got_mean.to_host()), mean, naive_mean);
  std::vector<double> inverse;
  std::vector<float> naive_inverse;
  for (std::size_t c = 0; c < channels; ++c) {
    inverse.push_back(1 / std::sqrt(variance[c] + kRounding));
    naive_inverse.push_back(1 / std::sqrt(naive_variance[c] + static_cast<float>(kRounding)));
  }
  test::check_close(floats(got_inverse.to_host()), inverse, naive_inverse);
  for (const unsigned ticket : scratch.tickets.to_host()) CHECK(ticket == 0);
  if (s.rows == 1) return;
  const double unbiased = static_cast<double>(s.rows) / static_cast<double>(s.rows - 1);
  const auto moved_mean = running_mean.to_host(), moved_var = running_var.to_host();
  for (std::size_t c = 0; c < channels; ++c) {
    REQUIRE(moved_mean[c] == Approx(2.7 + 0.1 * mean[c]).epsilon(1e-5));
    REQUIRE(moved_var[c] == Approx(4.5 + 0.1 * variance[c] * unbiased).epsilon(1e-5));
  }
}

struct Options {
  bool relu, residual, batch_statistics, accumulate;
};

// Forward and backward in precision R from the statistics in double.
template <class R>
struct Plain {
  std::vector<R> y, dx, dresidual, dweight, dbias;
};

struct Inputs {
  std::vector<float> x, dy, residual, weight, bias, old;
  std::vector<double> mean, inverse;
};

template <class R>
Plain<R> plain(const BatchNormRows& s, const Inputs& in, const Options& o, const std::vector<float>& stored_y) {
  const auto channels = static_cast<std::size_t>(s.channels);
  Plain<R> p;
  p.dweight.assign(channels, 0);
  p.dbias.assign(channels, 0);
  std::vector<R> g;
  const auto normal = [&](std::size_t i) {
    return (static_cast<R>(in.x[i]) - static_cast<R>(in.mean[i % channels])) * static_cast<R>(in.inverse[i % channels]);
  };
  for (std::size_t i = 0; i < in.x.size(); ++i) {
    const std::size_t c = i % channels;
    R y = static_cast<R>(in.weight[c]) * normal(i) + static_cast<R>(in.bias[c]);
    if (o.residual) y += static_cast<R>(in.residual[i]);
    p.y.push_back(o.relu && !(y > 0) ? 0 : y);
    // Where the gradient passes is a matter of the stored result; next to 0 a rounding decides.
    g.push_back(o.relu && !(stored_y[i] > 0) ? 0 : static_cast<R>(in.dy[i]));
    p.dbias[c] += g[i];
    p.dweight[c] += g[i] * normal(i);
  }
  for (std::size_t i = 0; i < in.x.size(); ++i) {
    const std::size_t c = i % channels;
    R inner = g[i];
    if (o.batch_statistics) inner -= (p.dbias[c] + normal(i) * p.dweight[c]) / static_cast<R>(s.rows);
    const R old = o.accumulate ? static_cast<R>(in.old[i]) : 0;
    p.dx.push_back(static_cast<R>(in.weight[c]) * static_cast<R>(in.inverse[c]) * inner + old);
    p.dresidual.push_back(g[i] + old);
  }
  return p;
}

template <class T>
std::vector<float> rounded(const std::vector<float>& values) {
  return test::widened(test::narrowed<T>(values));
}

template <class T>
void check_passes(const BatchNormRows& s, const Options& o) {
  test::Numbers numbers(31);
  const auto channels = static_cast<std::size_t>(s.channels);
  const std::int64_t count = s.rows * s.channels;
  Inputs in{rounded<T>(numbers.normals(count)),
            rounded<T>(numbers.normals(count)),
            rounded<T>(numbers.normals(count)),
            numbers.normals(s.channels),
            numbers.normals(s.channels),
            rounded<T>(numbers.normals(count)),
            {},
            {}};
  moments(s, in.x, in.mean, in.inverse);
  for (double& v : in.inverse) v = 1 / std::sqrt(v + kRounding);

  simt::DeviceArray<T> x(test::narrowed<T>(in.x)), dy(test::narrowed<T>(in.dy)),
      residual(test::narrowed<T>(in.residual)), y(in.x.size()), dx(test::narrowed<T>(in.old)),
      dresidual(test::narrowed<T>(in.old));
  simt::DeviceArray<float> weight(in.weight), bias(in.bias), dweight(std::vector<float>(channels, 0)),
      dbias(std::vector<float>(channels, 0));
  simt::DeviceArray<double> mean(in.mean), inverse(in.inverse), sum_dy(channels), sum_dy_x(channels);
  const device::DeviceBatchNormInputs<T> inputs{s,           x.data(),       weight.data(), bias.data(),
                                                mean.data(), inverse.data(), o.relu};
  device::batch_norm_forward<T>({}, inputs, o.residual ? residual.data() : nullptr, y.data());
  const auto stored = test::widened(y.to_host());
  const auto exact = plain<double>(s, in, o, stored);
  const auto naive = plain<float>(s, in, o, stored);
  test::check_close(stored, exact.y, rounded<T>(naive.y), kEpsilon<T>);

  device::DeviceBatchNormBackward<T> backward;
  backward.inputs = inputs;
  backward.y = o.residual ? y.data() : nullptr;
  backward.dy = dy.data();
  backward.batch_statistics = o.batch_statistics;
  backward.sum_dy = sum_dy.data();
  backward.sum_dy_x = sum_dy_x.data();
  backward.dweight = dweight.data();
  backward.dbias = dbias.data();
  Scratch scratch(s);
  device::batch_norm_reduce<T>({}, backward, scratch.get());
  test::check_close(dweight.to_host(), exact.dweight, naive.dweight);
  test::check_close(dbias.to_host(), exact.dbias, naive.dbias);
  backward.accumulate_dweight = backward.accumulate_dbias = true;
  device::batch_norm_reduce<T>({}, backward, scratch.get());
  std::vector<double> twice = exact.dweight;
  for (double& value : twice) value *= 2;
  std::vector<float> naive_twice = naive.dweight;
  for (float& value : naive_twice) value *= 2;
  test::check_close(dweight.to_host(), twice, naive_twice);

  backward.dx = dx.data();
  backward.accumulate_dx = o.accumulate;
  if (o.residual) {
    backward.dresidual = dresidual.data();
    backward.accumulate_dresidual = o.accumulate;
  }
  device::batch_norm_backward<T>({}, backward);
  test::check_close(test::widened(dx.to_host()), exact.dx, rounded<T>(naive.dx), kEpsilon<T>);
  if (o.residual)
    test::check_close(test::widened(dresidual.to_host()), exact.dresidual, rounded<T>(naive.dresidual), kEpsilon<T>);
}

}  // namespace

TEST_CASE("batch_norm_statistics: mean, deviation and running statistics") {
  test::for_each_order([](std::string_view order) {
    for (const BatchNormRows& s : kShapes)
      for (const float offset : {0.0F, 100.0F}) {
        INFO(order << " " << s.rows << " x " << s.channels << " around " << offset);
        check_statistics<float>(s, offset);
        check_statistics<simt::bfloat16>(s, offset);
      }
  });
}

TEST_CASE("batch_norm_forward and _backward agree with plain loops") {
  test::for_each_order([](std::string_view order) {
    for (const BatchNormRows& s : kShapes)
      for (const Options& o :
           {Options{false, false, true, false}, Options{true, false, true, false}, Options{true, true, true, true},
            Options{false, true, false, false}, Options{true, false, false, true}}) {
        if (s.rows == 1) continue;
        INFO(order << " " << s.rows << " x " << s.channels << " relu " << o.relu << " residual " << o.residual
                   << " batch statistics " << o.batch_statistics << " accumulate " << o.accumulate);
        check_passes<float>(s, o);
        check_passes<simt::bfloat16>(s, o);
      }
  });
}

TEST_CASE("batch_norm: a NaN stays in its channel, and passes the ReLU", "[small]") {
  const BatchNormRows s{50, 8};
  auto x = test::Numbers(3).normals(400);
  x[8 * 20 + 3] = std::numeric_limits<float>::quiet_NaN();
  test::for_each_order([&](std::string_view order) {
    INFO(order);
    simt::DeviceArray<float> input(x), y(400), ones(std::vector<float>(8, 1));
    simt::DeviceArray<double> mean(8), inverse(8);
    Scratch scratch(s);
    device::batch_norm_statistics<float>({}, s, input.data(), {mean.data(), inverse.data()}, scratch.get());
    device::batch_norm_forward<float>(
        {}, {s, input.data(), ones.data(), ones.data(), mean.data(), inverse.data(), true}, nullptr, y.data());
    const auto result = y.to_host();
    for (std::size_t i = 0; i < result.size(); ++i) REQUIRE(std::isnan(result[i]) == (i % 8 == 3));
  });
}

TEST_CASE("batch_norm: a constant channel has variance 0; running statistics are used as they are") {
  const BatchNormRows s{100, 4};
  simt::DeviceArray<float> x(std::vector<float>(400, 7.25F));
  simt::DeviceArray<double> mean(4), inverse(4);
  Scratch scratch(s);
  device::batch_norm_statistics<float>({}, s, x.data(), {mean.data(), inverse.data(), 0.25}, scratch.get());
  CHECK(mean.to_host() == std::vector<double>(4, 7.25));
  CHECK(inverse.to_host() == std::vector<double>(4, 2));
  simt::DeviceArray<float> running_mean(std::vector<float>{1, 2, 3, 4}),
      running_var(std::vector<float>{0.75F, 0, 3.75F, 1});
  device::batch_norm_running({}, 4, {mean.data(), inverse.data(), 0.25, running_mean.data(), running_var.data()});
  CHECK(mean.to_host() == std::vector<double>{1, 2, 3, 4});
  CHECK(inverse.to_host()[0] == 1);
  CHECK(inverse.to_host()[1] == 2);
  CHECK(inverse.to_host()[2] == 0.5);
}

TEST_CASE("batch_norm: no rows, nothing written") {
  const BatchNormRows s{0, 4};
  simt::DeviceArray<float> ones(std::vector<float>(4, 1));
  simt::DeviceArray<double> mean(4), inverse(4);
  device::batch_norm_forward<float>({}, {s, nullptr, ones.data(), ones.data(), mean.data(), inverse.data(), true},
                                    nullptr, nullptr);
}
