#include "models/resnet_imagenet.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "engine/core/error.hpp"
#include "engine/inference/plan.hpp"
#include "engine/ops/softmax_cross_entropy.hpp"
#include "engine/optim/sgd.hpp"
#include "models/registry.hpp"
#include "tests/models/stir.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/gradient_check.hpp"

using namespace bsg;
using Catch::Matchers::Contains;

namespace {

// Small enough for a test, with every kind of block: with and without projection, of both strides.
models::ImageNetResNetConfig small(bool bottleneck, bool gated, int height, int width) {
  return {.blocks = {2, 2, 1, 2},
          .bottleneck = bottleneck,
          .classes = 7,
          .gated = gated,
          .height = height,
          .width = width,
          .gate = {.hidden = 5},
          .base_channels = 8};
}

}  // namespace

TEST_CASE("MACs of the ImageNet ResNets are the published ones, with floors and gates", "[models]") {
  Context context;
  struct Case {
    const char* arch;
    double dense, floor;
    std::int64_t gates;
  };
  // Totals and shares of the gateable part from the paper's networks; gating modules come on top.
  for (const Case& c : {Case{"resnet18", 1.814e9, 137.8e6, 1920}, Case{"resnet34", 3.664e9, 137.9e6, 3776},
                        Case{"resnet50", 4.089e9, 480e6, 7552}}) {
    INFO(c.arch);
    const models::NetworkConfig config{.arch = c.arch, .classes = 1000, .height = 224, .width = 224};
    const nn::MacModel plain = models::make_network(context, config, 1)->macs();
    models::NetworkConfig gated_config = config;
    gated_config.arch += "_bas";
    const nn::MacModel gated = models::make_network(context, gated_config, 1)->macs();
    CHECK(static_cast<double>(plain.dense) == Approx(c.dense).epsilon(5e-4));
    CHECK(plain.needed({}) == plain.dense);
    CHECK(gated.dense == plain.dense);
    CHECK(gated.gates() == c.gates);
    CHECK(static_cast<double>(gated.fixed - gated.gating) == Approx(c.floor).epsilon(2e-3));
    std::vector<std::int64_t> all;
    for (const nn::GatedLayer& layer : gated.layers) all.push_back(layer.gates);
    CHECK(gated.needed(all) == gated.dense + gated.gating);
    CHECK(gated.needed(std::vector<std::int64_t>(all.size(), 0)) == gated.fixed);
  }
}

TEST_CASE("where two gates meet in a convolution, pairs of open gates cost", "[models]") {
  nn::MacModel macs;
  macs.add_fixed(100);
  macs.add_layer({"1", 4, 10}, 3);
  macs.add_layer({"2", 5, 20, 7}, 2);
  CHECK(macs.dense == 100 + 4 * 10 + 5 * 20 + 4 * 5 * 7);
  CHECK(macs.needed({2, 3}) == 105 + 2 * 10 + 3 * 20 + 2 * 3 * 7);
  CHECK(macs.needed({0, 5}) == 105 + 5 * 20);
}

TEST_CASE("ImageNet ResNets carry the parameter names of public checkpoints", "[models]") {
  Context context;
  const auto names = [&](const std::string& arch) {
    std::set<std::string> all;
    const auto network = models::make_network(context, {.arch = arch, .classes = 1000}, 1);
    for (const auto& [name, tensor] : network->state()) all.insert(name + " " + tensor->shape().str());
    return all;
  };
  const std::set<std::string> resnet18 = names("resnet18");
  // 62 parameters; a mean and a variance for each of 20 batch norms.
  CHECK(resnet18.size() == 62 + 40);
  for (const char* name : {"conv1.weight [64, 3, 7, 7]", "bn1.running_var [64]", "layer1.0.conv1.weight [64, 64, 3, 3]",
                           "layer2.0.downsample.0.weight [128, 64, 1, 1]", "layer2.0.downsample.1.running_mean [128]",
                           "layer4.1.bn2.bias [512]", "fc.weight [1000, 512]", "fc.bias [1000]"})
    CHECK(resnet18.contains(name));
  const std::set<std::string> resnet50 = names("resnet50_bas");
  for (const char* name : {"layer1.0.downsample.0.weight [256, 64, 1, 1]", "layer3.5.conv3.weight [1024, 256, 1, 1]",
                           "layer4.0.conv2.weight [512, 512, 3, 3]", "layer4.0.gate1.fc1.weight [16, 1024]",
                           "layer4.0.gate2.fc2.weight [512, 16]", "fc.weight [1000, 2048]"})
    CHECK(resnet50.contains(name));
}

TEST_CASE("plans of ImageNet ResNets compute what the networks compute", "[models]") {
  for (const Device device : {Device::cpu, Device::simt}) {
    Context host({.threads = 2}), context({.device = device, .threads = 2});
    for (const bool bottleneck : {false, true})
      for (const bool gated : {false, true})
        for (const auto& [height, width] : {std::pair{32, 32}, {45, 37}}) {
          CAPTURE(to_string(device), bottleneck, gated, height, width);
          Generator random(4);
          models::ImageNetResNet network(host, random, small(bottleneck, gated, height, width));
          test::stir(network, 8);
          const std::int64_t batch = 3;
          const Tensor images = test::random_tensor(host, {batch, 3, height, width}, 11, DType::f32);
          std::vector<nn::GateTrace> traces;
          const std::vector<float> expected =
              network.forward({host, nullptr, false}, images, traces).value.values<float>();
          inference::Plan plan(context, network);
          for (const auto execution : {inference::Execution::dense, inference::Execution::gated}) {
            const inference::Output output = plan.run(images, {.execution = execution}).to(host);
            const std::vector<float> logits = output.logits.values<float>();
            double largest = 0, difference = 0;
            for (std::size_t i = 0; i < expected.size(); ++i) {
              largest = std::max(largest, std::abs(static_cast<double>(expected[i])));
              difference = std::max(difference, std::abs(static_cast<double>(logits[i]) - expected[i]));
            }
            REQUIRE(largest > 0);
            CHECK(difference <= 1e-4 * largest);
            const std::vector<std::int32_t> open = output.open.values<std::int32_t>();
            for (std::size_t layer = 0; layer < traces.size(); ++layer) {
              const std::vector<float> gates = traces[layer].gate.value.values<float>();
              const std::size_t count = gates.size() / static_cast<std::size_t>(batch);
              for (std::size_t n = 0; n < static_cast<std::size_t>(batch); ++n) {
                const auto begin = gates.begin() + static_cast<std::ptrdiff_t>(n * count);
                const auto on = std::count(begin, begin + static_cast<std::ptrdiff_t>(count), 1.0F);
                CHECK(open[n * traces.size() + layer] == on);
              }
            }
          }
        }
  }
}

TEST_CASE("a gated bottleneck network lowers its loss on one batch", "[models]") {
  Context context({.threads = 2, .seed = 5});
  Generator random(6);
  models::ImageNetResNetConfig config = small(true, true, 32, 32);
  config.gate.noise = 0;
  models::ImageNetResNet network(context, random, config);
  optim::Sgd optimizer(context, optim::split_gating(network.parameters(), 5e-4, 0, 1), {});
  const Tensor images = test::random_tensor(context, {7, 3, 32, 32}, 2, DType::f32);
  const Tensor labels = Tensor::from<std::int64_t>(context, {7}, {0, 1, 2, 3, 4, 5, 6});
  std::vector<double> losses;
  for (int step = 0; step < 20; ++step) {
    Tape tape(context);
    std::vector<nn::GateTrace> traces;
    const Var logits = network.forward({context, &tape, true}, images, traces);
    CHECK(traces.size() == 14);
    const Var loss = ops::softmax_cross_entropy(context, logits, labels);
    losses.push_back(loss.value.item());
    optimizer.zero_grad();
    tape.backward(loss);
    optimizer.step(0.01);
  }
  CHECK(losses.back() < 0.5 * losses.front());
}

TEST_CASE("an ImageNet ResNet without a stage is refused", "[models]") {
  Context context;
  Generator random(1);
  models::ImageNetResNetConfig config = small(false, false, 32, 32);
  config.blocks[2] = 0;
  CHECK_THROWS_WITH(models::ImageNetResNet(context, random, config), Contains("2, 2, 0, 2 blocks"));
}
