// The whole gated basic block in training, forward and every gradient, against plain loops:
//   relu( bn2(conv2( g * relu(bn1(conv1 x)) )) + shortcut(x) ),   g = 1[y > 0], y = gate(x) / temperature
// with the straight-through gradient: dg/dy is that of the logistic function.
#include <map>

#include "models/resnet_cifar.hpp"
#include "tests/independent/compare.hpp"
#include "tests/support/gradient_check.hpp"

using namespace bsg;
using plain::Array;
using test::random_tensor;

namespace {

struct Net : nn::Module {
  models::BasicBlock& block;
  Net(Context& context, std::uint64_t seed, int in, int out, int stride, const models::GateConfig* gate)
      : block(add(context, seed, in, out, stride, gate)) {}

 private:
  models::BasicBlock& add(Context& context, std::uint64_t seed, int in, int out, int stride,
                          const models::GateConfig* gate) {
    Generator random(seed);
    return add_module("block", std::make_unique<models::BasicBlock>(context, random, in, out, stride,
                                                                    models::Shortcut::option_a, gate));
  }
};

// Every other parameter too gets values that no symmetry hides.
void randomise(Context& context, Net& net) {
  std::uint64_t seed = 100;
  for (const auto& [name, tensor] : net.state()) {
    const bool scale = name.ends_with("bn1.weight") || name.ends_with("bn2.weight") || name.ends_with("bn.weight");
    const bool shift = name.ends_with("bn1.bias") || name.ends_with("bn2.bias") || name.ends_with("bn.bias");
    if (!scale && !shift) continue;
    Tensor values = random_tensor(context, tensor->shape(), ++seed, DType::f32, 0.3);
    for (float& value : values.span<float>()) value += scale ? 1 : 0;
    tensor->copy_from(values);
  }
}

template <class S>
struct Reference {
  Array<S> y, logits, gate, dx;
  std::map<std::string, Array<S>> gradients;  // by parameter name
  double closest = 1e9;                       // to a kink: the smallest of all values that a ReLU or a gate decides by

  Reference(std::map<std::string, Array<S>> p, const Array<S>& x, int stride, double temperature, const Array<S>& dy) {
    const auto watch = [&](const Array<S>& values) {
      for (const S value : values.values) closest = std::min(closest, std::abs(static_cast<double>(value)));
    };
    const plain::Geometry first{stride, 1, 1}, second{1, 1, 1};
    // Forward.
    const Array<S> h1 = plain::conv2d(x, p["conv1.weight"], first);
    const auto n1 = plain::batch_norm(h1, p["bn1.weight"], p["bn1.bias"]);
    watch(n1.y);
    const Array<S> hidden = plain::relu(n1.y);

    Array<S> pooled(x.n, x.c);
    plain::each_element(x, [&](auto n, auto c, auto h, auto w) { pooled.at(n, c) += x.at(n, c, h, w); });
    for (S& value : pooled.values) value /= static_cast<S>(x.h * x.w);
    const Array<S> a = plain::linear(pooled, p["gate.fc1.weight"]);
    const auto ng = plain::batch_norm(a, p["gate.bn.weight"], p["gate.bn.bias"]);
    watch(ng.y);
    const Array<S> units = plain::relu(ng.y);
    logits = plain::linear(units, p["gate.fc2.weight"]);
    plain::each_element(logits, [&](auto n, auto c, auto, auto) { logits.at(n, c) += p["gate.fc2.bias"].at(0, c); });
    watch(logits);
    gate = logits;
    for (S& value : gate.values) value = value > 0 ? S{1} : S{0};

    const Array<S> masked = plain::masked(hidden, gate);
    const Array<S> h2 = plain::conv2d(masked, p["conv2.weight"], second);
    const auto n2 = plain::batch_norm(h2, p["bn2.weight"], p["bn2.bias"]);
    Array<S> sum = n2.y;
    // Option A: every stride-th pixel, zero channels on both sides.
    const std::int64_t before = (sum.c - x.c) / 2;
    const auto each_shortcut = [&](const auto& visit) {
      plain::each_element(sum, [&](auto n, auto c, auto h, auto w) {
        if (c >= before && c < before + x.c) visit(n, c, h, w, c - before, h * stride, w * stride);
      });
    };
    each_shortcut(
        [&](auto n, auto c, auto h, auto w, auto xc, auto xh, auto xw) { sum.at(n, c, h, w) += x.at(n, xc, xh, xw); });
    watch(sum);
    y = plain::relu(sum);

    // Backward.
    const Array<S> dsum = plain::relu_backward(y, dy);
    const auto dn2 = plain::batch_norm_backward(n2, p["bn2.weight"], dsum);
    const auto dconv2 = plain::conv2d_backward(masked, p["conv2.weight"], dn2.x, second);
    const Array<S> dgate = plain::plane_products(dconv2.x, hidden);
    const Array<S> dn1y = plain::relu_backward(hidden, plain::masked(dconv2.x, gate));
    const auto dn1 = plain::batch_norm_backward(n1, p["bn1.weight"], dn1y);
    const auto dconv1 = plain::conv2d_backward(x, p["conv1.weight"], dn1.x, first);
    Array<S> dlogits = dgate;
    for (std::size_t i = 0; i < dlogits.values.size(); ++i) {
      const S s = 1 / (1 + std::exp(-logits.values[i] / static_cast<S>(temperature)));
      dlogits.values[i] *= s * (1 - s) / static_cast<S>(temperature);
    }
    const auto dfc2 = plain::linear_backward(units, p["gate.fc2.weight"], dlogits);
    const auto dng = plain::batch_norm_backward(ng, p["gate.bn.weight"], plain::relu_backward(units, dfc2.x));
    const auto dfc1 = plain::linear_backward(pooled, p["gate.fc1.weight"], dng.x);
    dx = dconv1.x;
    plain::each_element(
        dx, [&](auto n, auto c, auto h, auto w) { dx.at(n, c, h, w) += dfc1.x.at(n, c) / static_cast<S>(x.h * x.w); });
    each_shortcut([&](auto n, auto c, auto h, auto w, auto xc, auto xh, auto xw) {
      dx.at(n, xc, xh, xw) += dsum.at(n, c, h, w);
    });
    gradients = {{"conv1.weight", dconv1.weight},  {"bn1.weight", dn1.weight},     {"bn1.bias", dn1.bias},
                 {"conv2.weight", dconv2.weight},  {"bn2.weight", dn2.weight},     {"bn2.bias", dn2.bias},
                 {"gate.fc1.weight", dfc1.weight}, {"gate.bn.weight", dng.weight}, {"gate.bn.bias", dng.bias},
                 {"gate.fc2.weight", dfc2.weight}, {"gate.fc2.bias", dfc2.bias}};
  }
};

template <class S>
std::map<std::string, Array<S>> arrays(Net& net) {
  std::map<std::string, Array<S>> all;
  for (const auto& [name, tensor] : net.state())
    all.emplace(name.substr(std::string("block.").size()), Array<S>(*tensor));
  return all;
}

enum class Gates { by_the_weights, all_on, all_off, one_on };

// Sets the gates' biases so that the pattern holds for every sample; the weights still move the logits a little.
void force(Net& net, Gates pattern) {
  if (pattern == Gates::by_the_weights) return;
  nn::Linear& fc2 = net.block.gate->fc2;
  for (float& value : fc2.weight.value.span<float>()) value *= 0.1f;
  std::ranges::fill(fc2.bias->value.span<float>(), pattern == Gates::all_on ? 3.0f : -3.0f);
  if (pattern == Gates::one_on) fc2.bias->value.data<float>()[2] = 3;
}

struct Case {
  int in, out, stride;
  std::int64_t extent;
};
const std::vector<Case> kCases = {{8, 8, 1, 7}, {4, 8, 2, 9}, {3, 6, 2, 6}};
constexpr double kTemperature = 2.0 / 3;
// Without noise training is a function of the parameters; the noise itself has a test of its own (tests/ops).
const models::GateConfig kGate = {.hidden = 16, .bias = 0, .noise = 0, .temperature = kTemperature};

std::int64_t count_on(const Tensor& gate) {
  std::int64_t on = 0;
  for (std::int64_t i = 0; i < gate.numel(); ++i) on += gate.data<float>()[i] != 0;
  return on;
}

}  // namespace

TEST_CASE("the gated basic block follows plain loops, forward and all gradients, straight-through ones included",
          "[independent]") {
  for (const Case& p : kCases)
    for (const Gates pattern : {Gates::by_the_weights, Gates::all_on, Gates::all_off, Gates::one_on})
      for (const DType dtype : {DType::f32, DType::f64}) {
        CAPTURE(p.in, p.out, p.stride, static_cast<int>(pattern), to_string(dtype));
        Context context({.threads = 2});
        Net net(context, 1, p.in, p.out, p.stride, &kGate);
        randomise(context, net);
        force(net, pattern);
        net.convert(context, dtype);
        const Tensor x = random_tensor(context, {6, p.in, p.extent, p.extent}, 2, dtype);
        Tape tape(context);
        const Var tracked = tape.input(x);
        std::vector<nn::GateTrace> traces;
        const Var y = net.block.forward({context, &tape, true}, tracked, traces);
        const Tensor dy = random_tensor(context, y.shape(), 3, dtype);
        tape.backward(y, dy);

        const Reference<double> exact(arrays<double>(net), Array<double>(x), p.stride, kTemperature, Array<double>(dy));
        const Reference<float> naive(arrays<float>(net), Array<float>(x), p.stride, kTemperature, Array<float>(dy));
        // No ReLU and no gate stands where rounding would decide.
        REQUIRE(exact.closest > 4e-6);
        plain::check_close("y", y.value, exact.y, naive.y);
        plain::check_close("logits", traces.at(0).logits.value, exact.logits, naive.logits);
        plain::check_close("gate", traces.at(0).gate.value, exact.gate, naive.gate);
        plain::check_close("dx", tape.gradient(tracked), exact.dx, naive.dx);
        const std::vector<Parameter*> parameters = net.parameters();
        CHECK(parameters.size() == exact.gradients.size());
        for (const auto& [name, tensor] : net.state())
          for (const Parameter* parameter : parameters)
            if (&parameter->value == tensor) {
              const std::string key = name.substr(std::string("block.").size());
              plain::check_close(key, parameter->grad, exact.gradients.at(key), naive.gradients.at(key));
            }
      }
}

TEST_CASE("a block with all gates on is the block without gates, bit for bit", "[independent]") {
  for (const Case& p : kCases) {
    Context context({.threads = 2});
    Net gated(context, 1, p.in, p.out, p.stride, &kGate), plain_net(context, 1, p.in, p.out, p.stride, nullptr);
    randomise(context, gated);
    force(gated, Gates::all_on);
    std::map<std::string, Tensor*> from;
    for (const auto& [name, tensor] : gated.state()) from[name] = tensor;
    for (const auto& [name, tensor] : plain_net.state()) tensor->copy_from(*from.at(name));
    const Tensor x = random_tensor(context, {6, p.in, p.extent, p.extent}, 2, DType::f32);
    std::vector<nn::GateTrace> traces;
    std::vector<std::vector<float>> results;
    for (Net* net : {&gated, &plain_net}) {
      Tape tape(context);
      const Var y = net->block.forward({context, &tape, true}, x, traces);
      tape.backward(y, random_tensor(context, y.shape(), 3, DType::f32));
      std::vector<float> all(y.value.span<float>().begin(), y.value.span<float>().end());
      for (const nn::Conv2d* conv : {&net->block.conv1, &net->block.conv2})
        all.insert(all.end(), conv->weight.grad.span<float>().begin(), conv->weight.grad.span<float>().end());
      results.push_back(std::move(all));
    }
    REQUIRE(traces.size() == 1);
    CHECK(count_on(traces[0].gate.value) == traces[0].gate.value.numel());
    CHECK(results[0] == results[1]);
  }
}

TEST_CASE("NaN in every weight that belongs to a channel which is off reaches no output of a block", "[independent]") {
  for (const Case& p : kCases)
    for (const bool training : {true, false})
      for (const Gates pattern : {Gates::all_off, Gates::one_on}) {
        CAPTURE(p.in, p.out, training, static_cast<int>(pattern));
        Context context({.threads = 2});
        Net net(context, 1, p.in, p.out, p.stride, &kGate);
        randomise(context, net);
        force(net, pattern);
        const Tensor x = random_tensor(context, {6, p.in, p.extent, p.extent}, 2, DType::f32);
        const auto forward = [&] {
          std::vector<nn::GateTrace> traces;
          Tensor y = net.block.forward({context, nullptr, training}, x, traces).value;
          CHECK(count_on(traces[0].gate.value) == (pattern == Gates::one_on ? 6 : 0));
          return std::vector<float>(y.span<float>().begin(), y.span<float>().end());
        };
        // Twice in training, which moves the running statistics but does not use them.
        const std::vector<float> clean = forward();
        for (std::int64_t c = 0; c < p.out; ++c) {
          if (pattern == Gates::one_on && c == 2) continue;
          const float nan = std::numeric_limits<float>::quiet_NaN();
          std::fill_n(net.block.conv1.weight.value.data<float>() + c * p.in * 9, p.in * 9, nan);
          for (Tensor* tensor : {&net.block.bn1.weight.value, &net.block.bn1.bias.value, &net.block.bn1.running_mean,
                                 &net.block.bn1.running_var})
            tensor->data<float>()[c] = nan;
          for (std::int64_t k = 0; k < p.out; ++k)
            std::fill_n(net.block.conv2.weight.value.data<float>() + (k * p.out + c) * 9, 9, nan);
        }
        CHECK(forward() == clean);
      }
}
