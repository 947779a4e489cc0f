// A gated ResNet-20 in the names that others use, loaded from a file, against plain loops in double that know nothing
// of this project's networks.
#include <cmath>
#include <map>

#include "engine/core/safetensors.hpp"
#include "engine/inference/plan.hpp"
#include "engine/train/checkpoint.hpp"
#include "models/registry.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/gradient_check.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace bsg;

namespace {

constexpr std::int64_t kStages[] = {16, 32, 64};

// Names and shapes as they stand in such files.
NamedTensors weights_of_others(Context& context) {
  NamedTensors weights;
  Generator random(21);
  const auto add = [&](const std::string& name, const Shape& shape, double scale, double mean = 0) {
    Tensor tensor = Tensor::empty(context, shape);
    for (float& value : tensor.span<float>()) value = static_cast<float>(mean + scale * random.normal());
    weights.emplace_back(name, tensor);
  };
  const auto add_conv = [&](const std::string& name, std::int64_t in, std::int64_t out) {
    add(name + ".weight", {out, in, 3, 3}, std::sqrt(2.0 / (9.0 * static_cast<double>(in))));
  };
  const auto add_norm = [&](const std::string& name, std::int64_t channels) {
    add(name + ".weight", {channels}, 0.1, 1);
    add(name + ".bias", {channels}, 0.2);
    add(name + ".running_mean", {channels}, 0.2);
    add(name + ".running_var", {channels}, 0.1, 1);
    weights.emplace_back(name + ".num_batches_tracked", Tensor::zeros(context, {}, DType::i64));
  };
  add_conv("conv1", 3, 16);
  add_norm("bn1", 16);
  std::int64_t in = 16;
  for (int stage = 0; stage < 3; ++stage)
    for (int index = 0; index < 3; ++index) {
      const std::string block = "layer" + std::to_string(stage + 1) + "." + std::to_string(index) + ".";
      const std::int64_t out = kStages[stage];
      add_conv(block + "conv1", in, out);
      add_norm(block + "bn1", out);
      add_conv(block + "conv2", out, out);
      add_norm(block + "bn2", out);
      add(block + "gate.fc1.weight", {16, in}, 0.5);
      add_norm(block + "gate.bn", 16);
      add(block + "gate.fc2.weight", {out, 16}, 0.5);
      add(block + "gate.fc2.bias", {out}, 0.5, 0.2);
      in = out;
    }
  add("linear.weight", {7, 64}, 0.2);
  add("linear.bias", {7}, 0.2);
  return weights;
}

struct Planes {
  std::int64_t channels, size;  // size x size
  std::vector<double> values;
  double at(std::int64_t c, std::int64_t i, std::int64_t j) const {
    return i < 0 || j < 0 || i >= size || j >= size ? 0 : values[static_cast<std::size_t>((c * size + i) * size + j)];
  }
};

class PlainResNet {
 public:
  explicit PlainResNet(const NamedTensors& weights) {
    for (const auto& [name, tensor] : weights)
      if (tensor.dtype() == DType::f32)
        weights_[name] = std::vector<double>(tensor.span<float>().begin(), tensor.span<float>().end());
  }

  std::vector<double> logits(const Tensor& images, std::int64_t n, std::vector<int>& gates) const {
    Planes image{3, 32, {}};
    const float* pixels = images.data<float>() + n * 3 * 32 * 32;
    image.values.assign(pixels, pixels + std::ptrdiff_t{3} * 32 * 32);
    Planes x = convolve("conv1", image, 16, 1);
    normalise("bn1", x);
    rectify(x);
    for (int stage = 0; stage < 3; ++stage)
      for (int index = 0; index < 3; ++index)
        x = block("layer" + std::to_string(stage + 1) + "." + std::to_string(index) + ".", x, kStages[stage],
                  stage > 0 && index == 0 ? 2 : 1, gates);
    return product("linear", means(x), true);
  }

 private:
  const std::vector<double>& weight(const std::string& name) const { return weights_.at(name); }

  Planes block(const std::string& name, const Planes& x, std::int64_t out, std::int64_t stride,
               std::vector<int>& gates) const {
    std::vector<double> hidden = product(name + "gate.fc1", means(x), false);
    for (std::size_t i = 0; i < hidden.size(); ++i)
      hidden[i] = std::max(0.0, normalised(name + "gate.bn", hidden[i], i));
    const std::vector<double> logits = product(name + "gate.fc2", hidden, true);

    Planes y = convolve(name + "conv1", x, out, stride);
    normalise(name + "bn1", y);
    rectify(y);
    const auto plane = static_cast<std::size_t>(y.size * y.size);
    for (std::size_t i = 0; i < y.values.size(); ++i)
      if (logits[i / plane] <= 0) y.values[i] = 0;
    for (const double logit : logits) gates.push_back(logit > 0 ? 1 : 0);
    y = convolve(name + "conv2", y, out, 1);
    normalise(name + "bn2", y);
    // Option A: every stride-th pixel, zeros for the channels that x has not, half of them before.
    const std::int64_t before = (out - x.channels) / 2;
    for (std::int64_t c = 0; c < x.channels; ++c)
      for (std::int64_t i = 0; i < y.size; ++i)
        for (std::int64_t j = 0; j < y.size; ++j)
          y.values[static_cast<std::size_t>(((c + before) * y.size + i) * y.size + j)] +=
              x.at(c, i * stride, j * stride);
    rectify(y);
    return y;
  }

  Planes convolve(const std::string& name, const Planes& x, std::int64_t out, std::int64_t stride) const {
    const std::vector<double>& w = weight(name + ".weight");
    Planes y{out, x.size / stride, {}};
    for (std::int64_t k = 0; k < out; ++k)
      for (std::int64_t i = 0; i < y.size; ++i)
        for (std::int64_t j = 0; j < y.size; ++j) {
          double sum = 0;
          for (std::int64_t c = 0; c < x.channels; ++c)
            for (std::int64_t r = 0; r < 3; ++r)
              for (std::int64_t s = 0; s < 3; ++s)
                sum += w[static_cast<std::size_t>(((k * x.channels + c) * 3 + r) * 3 + s)] *
                       x.at(c, i * stride + r - 1, j * stride + s - 1);
          y.values.push_back(sum);
        }
    return y;
  }

  double normalised(const std::string& name, double value, std::size_t channel) const {
    return (value - weight(name + ".running_mean")[channel]) /
               std::sqrt(weight(name + ".running_var")[channel] + 1e-5) * weight(name + ".weight")[channel] +
           weight(name + ".bias")[channel];
  }
  void normalise(const std::string& name, Planes& x) const {
    const auto plane = static_cast<std::size_t>(x.size * x.size);
    for (std::size_t i = 0; i < x.values.size(); ++i) x.values[i] = normalised(name, x.values[i], i / plane);
  }
  static void rectify(Planes& x) {
    for (double& value : x.values) value = std::max(0.0, value);
  }
  static std::vector<double> means(const Planes& x) {
    std::vector<double> result(static_cast<std::size_t>(x.channels));
    const auto plane = static_cast<std::size_t>(x.size * x.size);
    for (std::size_t i = 0; i < x.values.size(); ++i) result[i / plane] += x.values[i] / static_cast<double>(plane);
    return result;
  }
  std::vector<double> product(const std::string& name, const std::vector<double>& x, bool with_bias) const {
    const std::vector<double>& w = weight(name + ".weight");
    std::vector<double> y(w.size() / x.size());
    for (std::size_t o = 0; o < y.size(); ++o) {
      y[o] = with_bias ? weight(name + ".bias")[o] : 0;
      for (std::size_t i = 0; i < x.size(); ++i) y[o] += w[o * x.size() + i] * x[i];
    }
    return y;
  }

  std::map<std::string, std::vector<double>> weights_;
};

}  // namespace

TEST_CASE("a gated ResNet-20 of others, loaded by name, gives its logits and its gates", "[inference]") {
  Context context({.threads = 2});
  const NamedTensors weights = weights_of_others(context);
  const test::TemporaryFolder folder;
  write_safetensors(folder / "gated.safetensors", weights);

  const auto network = models::make_network(context, {.arch = "resnet20_bas", .classes = 7}, 1);
  train::load_named_tensors(context, network->state(), train::load_weights(context, folder / "gated.safetensors"),
                            "gated.safetensors");
  inference::Plan plan(context, *network);
  const Tensor images = test::random_tensor(context, {2, 3, 32, 32}, 5, DType::f32);
  const PlainResNet plain(weights);
  for (const inference::Execution execution : {inference::Execution::dense, inference::Execution::gated}) {
    const inference::Output output = plan.run(images, {.execution = execution, .gates = true});
    REQUIRE(output.gates.shape() == Shape{2, 336});
    for (std::int64_t n = 0; n < 2; ++n) {
      std::vector<int> gates;
      const std::vector<double> logits = plain.logits(images, n, gates);
      REQUIRE(gates.size() == 336);
      for (std::size_t i = 0; i < gates.size(); ++i)
        REQUIRE(output.gates.data<std::uint8_t>()[n * 336 + static_cast<std::int64_t>(i)] == gates[i]);
      double largest = 0, difference = 0;
      for (std::size_t k = 0; k < logits.size(); ++k) {
        largest = std::max(largest, std::abs(logits[k]));
        difference = std::max(difference,
                              std::abs(logits[k] - output.logits.data<float>()[n * 7 + static_cast<std::int64_t>(k)]));
      }
      CHECK(difference <= 1e-4 * largest);
    }
  }
}
