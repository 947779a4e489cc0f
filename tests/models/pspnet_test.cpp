#include "models/pspnet.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "engine/core/error.hpp"
#include "engine/ops/softmax_cross_entropy.hpp"
#include "engine/ops/weighted_sum.hpp"
#include "engine/optim/sgd.hpp"
#include "models/registry.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/gradient_check.hpp"

using namespace bsg;
using Catch::Matchers::Contains;

namespace {

models::ImageNetResNetConfig small(bool bottleneck, bool gated, int height, int width) {
  return {.blocks = {1, 2, 2, 2},
          .bottleneck = bottleneck,
          .classes = 5,
          .gated = gated,
          .height = height,
          .width = width,
          .gate = {.hidden = 4},
          .base_channels = 8,
          .output_stride = 8};
}

// Labels that follow from the image: the class is the band of brightness that a pixel of its first channel is in.
Tensor labels_of(Context& context, const Tensor& images) {
  const std::int64_t plane = images.shape()[2] * images.shape()[3];
  std::vector<std::int64_t> labels;
  for (std::int64_t n = 0; n < images.shape()[0]; ++n)
    for (std::int64_t i = 0; i < plane; ++i) labels.push_back(images.data<float>()[n * 3 * plane + i] > 0 ? 1 : 3);
  return Tensor::from<std::int64_t>(context, {images.shape()[0], images.shape()[2], images.shape()[3]}, labels);
}

// Blocks of 8x8 pixels of one value.
Tensor patches(Context& context, std::int64_t batch, std::int64_t height, std::int64_t width) {
  Tensor images = test::random_tensor(context, {batch, 3, height, width}, 3, DType::f32);
  for (std::int64_t p = 0; p < batch * 3; ++p)
    for (std::int64_t h = 0; h < height; ++h)
      for (std::int64_t w = 0; w < width; ++w)
        images.data<float>()[(p * height + h) * width + w] =
            images.data<float>()[(p * height + h / 8 * 8) * width + w / 8 * 8];
  return images;
}

}  // namespace

TEST_CASE("PSPNets score every pixel, at the images' size, and have an auxiliary head in training alone", "[models]") {
  Context context({.threads = 2});
  for (const bool bottleneck : {false, true})
    for (const bool gated : {false, true}) {
      Generator random(4);
      models::PspNet network(context, random, small(bottleneck, gated, 64, 64));
      CHECK(network.task() == nn::Task::segmentation);
      for (const auto& [height, width] : {std::pair{64, 64}, {37, 52}, {17, 9}}) {
        CAPTURE(bottleneck, gated, height, width);
        const Tensor images = test::random_tensor(context, {2, 3, height, width}, 1, DType::f32);
        std::vector<nn::GateTrace> traces;
        const nn::Scores trained = network.scores({context, nullptr, true}, images, traces);
        CHECK(trained.logits.shape() == Shape{2, 5, height, width});
        CHECK(trained.auxiliary.shape() == Shape{2, 5, height, width});
        CHECK(trained.logits.dtype() == DType::f32);
        CHECK(traces.size() == network.macs().layers.size());
        traces.clear();
        const nn::Scores evaluated = network.scores({context, nullptr, false}, images, traces);
        CHECK(evaluated.logits.shape() == Shape{2, 5, height, width});
        CHECK(!evaluated.auxiliary.value.defined());
        CHECK(network.forward({context, nullptr, false}, images, traces).value.values<float>() ==
              evaluated.logits.value.values<float>());
      }
    }
}

TEST_CASE("the last stages of a network of output stride 8 dilate instead of striding", "[models]") {
  Context context;
  Generator random(1);
  const models::PspNet network(context, random, small(false, false, 64, 64));
  Generator again(1);
  models::ImageNetResNetConfig strided = small(false, false, 64, 64);
  strided.output_stride = 32;
  const models::PspNet smaller(context, again, strided);
  // From 8x8 pixels a stage, instead of 4x4 and 2x2: what the third stage costs is four times as much, and the fourth
  // sixteen times; neither the stem nor the first two stages change.
  const std::int64_t third = 4 * 4 * 9 * (16 * 32 + 3 * 32 * 32) + 4 * 4 * 16 * 32,
                     fourth = 2 * 2 * 9 * (32 * 64 + 3 * 64 * 64) + 2 * 2 * 32 * 64,
                     head = 2 * 2 * (9 * (64 + 4 * 16) * 16 + 16 * 5);
  CHECK(network.macs().dense - smaller.macs().dense == 3 * third + 15 * fourth + 15 * head);

  models::ImageNetResNetConfig wrong = small(false, false, 64, 64);
  wrong.output_stride = 4;
  CHECK_THROWS_WITH(models::PspNet(context, again, wrong), Contains("PSPNet: output stride 4"));
}

TEST_CASE("MACs of PSPNet on a dilated ResNet-50 at 713x713, layer by layer", "[models]") {
  Context context;
  models::NetworkConfig config{.arch = "pspnet50", .classes = 19, .height = 713, .width = 713};
  const std::int64_t plain = models::make_network(context, config, 1)->macs().dense;
  config.arch = "pspnet50_bas";
  const nn::MacModel gated = models::make_network(context, config, 1)->macs();

  const std::int64_t stem = 357 * 357, quarter = 179 * 179, eighth = 90 * 90;  // pixels
  // A bottleneck whose 1x1 reduction sees `before` pixels and the rest `after`.
  const auto gateable = [](std::int64_t before, std::int64_t after, std::int64_t in, std::int64_t width) {
    return before * in * width + after * (9 * width * width + width * 4 * width);
  };
  const std::int64_t blocks = gateable(quarter, quarter, 64, 64) + 2 * gateable(quarter, quarter, 256, 64) +
                              gateable(quarter, eighth, 256, 128) + 3 * gateable(eighth, eighth, 512, 128) +
                              gateable(eighth, eighth, 512, 256) + 5 * gateable(eighth, eighth, 1024, 256) +
                              gateable(eighth, eighth, 1024, 512) + 2 * gateable(eighth, eighth, 2048, 512);
  const std::int64_t projections = quarter * 64 * 256 + eighth * (std::int64_t{256} * 512 + 512 * 1024 + 1024 * 2048);
  const std::int64_t pyramid = (1 + 4 + 9 + 36) * std::int64_t{2048} * 512;
  const std::int64_t head = eighth * (std::int64_t{9} * 4096 * 512 + 512 * 19);
  const std::int64_t fixed = stem * 7 * 7 * 3 * 64 + projections + pyramid + head;
  CHECK(plain == fixed + blocks);
  CHECK(gated.dense == plain);
  CHECK(gated.gates() == 7552);
  CHECK(gated.fixed - gated.gating == fixed);
  std::vector<std::int64_t> all;
  for (const nn::GatedLayer& layer : gated.layers) all.push_back(layer.gates);
  CHECK(gated.needed(all) == gated.dense + gated.gating);
}

TEST_CASE("PSPNets carry the backbone's public parameter names, and base_channels makes small ones", "[models]") {
  Context context;
  const auto names = [&](const models::NetworkConfig& config) {
    std::set<std::string> all;
    const auto network = models::make_network(context, config, 1);
    for (const auto& [name, tensor] : network->state()) all.insert(name + " " + tensor->shape().str());
    return all;
  };
  const auto large = names({.arch = "pspnet50_bas", .classes = 19, .height = 65, .width = 65});
  for (const char* name :
       {"conv1.weight [64, 3, 7, 7]", "layer4.0.downsample.0.weight [2048, 1024, 1, 1]",
        "layer4.2.gate2.fc2.weight [512, 16]", "ppm.0.conv.weight [512, 2048, 1, 1]", "ppm.3.bn.running_var [512]",
        "head.conv.weight [512, 4096, 3, 3]", "head.classifier.weight [19, 512, 1, 1]", "head.classifier.bias [19]",
        "aux.conv.weight [256, 1024, 3, 3]", "aux.classifier.bias [19]"})
    CHECK(large.contains(name));
  const auto tiny = names({.arch = "pspnet18", .classes = 11, .height = 64, .width = 64, .base_channels = 16});
  for (const char* name : {"conv1.weight [16, 3, 7, 7]", "head.conv.weight [32, 256, 3, 3]"})
    CHECK(tiny.contains(name));
  CHECK(models::task("pspnet18_bas") == nn::Task::segmentation);
  CHECK(models::task("resnet50") == nn::Task::classification);
  CHECK_THROWS_WITH(models::task("pspnet19"), Contains("pspnet19"));
  CHECK(models::image_size("pspnet101") == 473);
  CHECK_THROWS_WITH(models::make_network(context, {.arch = "resnet20", .base_channels = 8}, 1),
                    Contains("base_channels 8"));
}

TEST_CASE("a gated PSPNet lowers its loss on one batch", "[models]") {
  Context context({.threads = 2, .seed = 5});
  Generator random(6);
  models::ImageNetResNetConfig config = small(false, true, 40, 48);
  config.gate.noise = 0;
  models::PspNet network(context, random, config);
  optim::Sgd optimizer(context, optim::split_gating(network.parameters(), 5e-4, 0, 1), {});
  const Tensor images = patches(context, 4, 40, 48), labels = labels_of(context, images);
  std::vector<double> losses;
  for (int step = 0; step < 25; ++step) {
    Tape tape(context);
    std::vector<nn::GateTrace> traces;
    const nn::Scores scores = network.scores({context, &tape, true}, images, traces);
    const Var loss = ops::softmax_cross_entropy(context, scores.logits, labels);
    const Var total =
        ops::weighted_sum(context, {loss, ops::softmax_cross_entropy(context, scores.auxiliary, labels)}, {1.0, 0.4});
    losses.push_back(loss.value.item());
    optimizer.zero_grad();
    tape.backward(total);
    for (const Parameter* parameter : network.parameters()) REQUIRE(parameter->grad.defined());
    optimizer.step(0.02);
  }
  CHECK(losses.back() < 0.5 * losses.front());
}

TEST_CASE("a PSPNet's training step on the emulated device is the CPU's", "[models]") {
  std::vector<std::vector<double>> results;  // by device: the loss, and each gradient's norm
  for (const Device device : {Device::cpu, Device::simt}) {
    Context host, context({.device = device, .seed = 5});
    Generator random(6);
    models::ImageNetResNetConfig config = small(true, true, 33, 40);
    config.gate.bias = 4;  // no gate near its threshold, where a rounding would decide
    config.gate.noise = 0;
    models::PspNet network(host, random, config);
    network.move(context);
    const Tensor images = patches(host, 2, 33, 40), labels = labels_of(host, images);
    Tape tape(context);
    std::vector<nn::GateTrace> traces;
    const nn::Scores scores = network.scores({context, &tape, true}, images.to(context), traces);
    const Var loss = ops::weighted_sum(context,
                                       {ops::softmax_cross_entropy(context, scores.logits, labels.to(context)),
                                        ops::softmax_cross_entropy(context, scores.auxiliary, labels.to(context))},
                                       {1.0, 0.4});
    std::vector<double>& result = results.emplace_back();
    result.push_back(loss.value.item());
    tape.backward(loss);
    for (const Parameter* parameter : network.parameters()) {
      double squares = 0;
      for (const float value : parameter->grad.values<float>()) squares += static_cast<double>(value) * value;
      result.push_back(std::sqrt(squares));
    }
  }
  REQUIRE(results[0].size() == results[1].size());
  const double largest = *std::ranges::max_element(results[0]);
  for (std::size_t i = 0; i < results[0].size(); ++i)
    CHECK(results[1][i] == Approx(results[0][i]).epsilon(1e-3).margin(1e-5 * largest));
}
