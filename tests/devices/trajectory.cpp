#include "tests/devices/trajectory.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>

#include "engine/nn/network.hpp"
#include "engine/optim/sgd.hpp"
#include "engine/train/losses.hpp"
#include "kernels/simt/number.hpp"
#include "models/registry.hpp"
#include "tests/support/catch.hpp"

namespace bsg::test {
namespace {

constexpr int kSize = 16, kBatch = 4, kSteps = 3;

Tensor random_images(Context& host, Generator random) {
  Tensor images = Tensor::empty(host, {kBatch, 3, kSize, kSize});
  for (float& value : images.span<float>()) value = static_cast<float>(random.normal());
  return images;
}

template <class T>
void append(std::vector<T>& to, const std::vector<T>& values) {
  to.insert(to.end(), values.begin(), values.end());
}

double size(const std::vector<float>& a) {
  double sum = 0;
  for (const float value : a) sum += static_cast<double>(value) * value;
  return std::sqrt(sum);
}

std::vector<float> minus(const std::vector<float>& a, const std::vector<float>& b) {
  std::vector<float> difference(a.size());
  std::transform(a.begin(), a.end(), b.begin(), difference.begin(), std::minus<>());
  return difference;
}

}  // namespace

Trajectory train_on(Device device, const std::string& arch, Precision precision) {
  Context host;
  Context context({.device = device, .seed = 3, .precision = precision});
  const auto network = models::make_network(host, {.arch = arch, .classes = 10, .height = kSize, .width = kSize}, 5);
  network->move(context);
  Trajectory result;
  const auto state = [&] {
    std::map<std::string, std::vector<float>> values;
    for (const auto& [name, tensor] : network->state()) values[name] = tensor->values<float>();
    return values;
  };
  result.start = state();
  optim::Sgd optimizer(context, optim::split_gating(network->parameters(), 5e-4, 0, 1), {});
  train::Recipe recipe;
  recipe.model.arch = arch;
  const train::TrainingLoss loss(recipe);
  for (int step = 0; step < kSteps; ++step) {
    const Tensor images = random_images(host, Generator(9, static_cast<std::uint64_t>(step)));
    const Tensor labels = Tensor::from<std::int64_t>(host, {kBatch}, {1, 7, 3, step});
    Tape tape(context);
    std::vector<nn::GateTrace> traces;
    const Var logits =
        network->forward({.context = context, .tape = &tape, .training = true}, Var(images.to(context)), traces);
    const Var total =
        loss(context, {logits, Var()}, labels, traces, {.learning_rate = 0.02, .gamma = 0.75, .rho = 0.4}).total;
    append(result.logits, logits.value.values<float>());
    for (const nn::GateTrace& trace : traces) append(result.gates, trace.gate.value.values<float>());
    result.losses.push_back(total.value.item());
    traces.clear();
    optimizer.zero_grad();
    tape.backward(total);
    optimizer.step(0.02);
    if (step == 0) result.first = state();
  }
  result.state = state();
  return result;
}

void check_follows(const Trajectory& got, const Trajectory& expected) {
  CHECK(got.start == expected.start);
  // A gate that fell to the other side would end the comparison; none lies that close to its threshold here.
  REQUIRE(got.gates == expected.gates);
  for (std::size_t step = 0; step < expected.losses.size(); ++step)
    CHECK(got.losses[step] == Approx(expected.losses[step]).epsilon(1e-4));
  CHECK(size(minus(got.logits, expected.logits)) <= 1e-3 * size(expected.logits));
  // Every tensor has moved as far, in the same direction: after the first step, where rounding errors are all that
  // differs, and after the last, where batch norm over 4 samples has amplified them.
  const auto check_moves = [&](const auto& got_state, const auto& expected_state, double bound) {
    for (const auto& [name, values] : expected_state) {
      INFO(name);
      const double moved = size(minus(values, expected.start.at(name)));
      CHECK(size(minus(got_state.at(name), values)) <= bound * moved + 1e-6);
    }
  };
  check_moves(got.first, expected.first, 1e-3);
  check_moves(got.state, expected.state, 1e-2);
}

void check_near(const Trajectory& got, const Trajectory& expected, const Bounds& bounds) {
  CHECK(got.start == expected.start);
  const auto first = [](const std::vector<float>& of_all_steps) {
    return std::vector<float>(of_all_steps.begin(),
                              of_all_steps.begin() + static_cast<std::ptrdiff_t>(of_all_steps.size() / kSteps));
  };
  CHECK(size(minus(first(got.logits), first(expected.logits))) <= bounds.first_logits * size(first(expected.logits)));
  const double other_gates = std::pow(size(minus(first(got.gates), first(expected.gates))), 2);
  CHECK(other_gates <= bounds.first_gates * static_cast<double>(expected.gates.size() / kSteps));
  for (std::size_t step = 0; step < expected.losses.size(); ++step)
    CHECK(got.losses[step] == Approx(expected.losses[step]).epsilon(bounds.losses));
  double distance = 0, moved = 0;
  std::size_t values = 0, short_values = 0;
  for (const auto& [name, state] : expected.state) {
    distance += std::pow(size(minus(got.state.at(name), state)), 2);
    moved += std::pow(size(minus(state, expected.start.at(name))), 2);
    for (const float value : got.state.at(name)) {
      ++values;
      short_values += simt::to_float(simt::to_bfloat16(value)) == value ? 1 : 0;
    }
  }
  CHECK(std::sqrt(distance) <= bounds.moves * std::sqrt(moved));
  // One in 2^16 floats is a bf16 by chance: parameters are not rounded to what multiplied.
  CHECK(short_values < values / 1000);
}

}  // namespace bsg::test
