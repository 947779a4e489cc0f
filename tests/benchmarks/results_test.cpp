#include <algorithm>
#include <numeric>

#include "benchmarks/bsg_bench/conv_layers.hpp"
#include "benchmarks/bsg_bench/gate_patterns.hpp"
#include "benchmarks/bsg_bench/network_gates.hpp"
#include "benchmarks/bsg_bench/result.hpp"
#include "engine/core/error.hpp"
#include "models/registry.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;
using namespace bsg::bench;
using Catch::Matchers::Contains;

TEST_CASE("results survive their file", "[bench]") {
  Results results{.commit = "abc",
                  .command = "bsg_bench --filter 'a b'",
                  .precision = "f32",
                  .cache = "warm",
                  .clock = "wall",
                  .seed = 0xffffffffffffffff,
                  .machine = {"a \"quick\" processor", "AVX2", 3, "cuda", "a GPU"},
                  .peak_memory = 1 << 30,
                  .start_memory = 1 << 20};
  const Summary seconds{.samples = 9, .least = 1, .lower = 2, .median = 3, .upper = 4, .greatest = 5};
  results.lines.push_back({.suite = "gated_conv",
                           .name = "3x3",
                           .gates = "0.50",
                           .batch = 16,
                           .active_macs = 1e9 / 3,
                           .dense_macs = 1e9,
                           .seconds = seconds,
                           .peak_gflops = 200,
                           .share_of_peak = 0.75,
                           .ratio = Summary{9, 0.1, 0.2, 0.4, 0.5, 0.6}});
  results.lines.push_back({.suite = "batch_shaping", .name = "64 x 2", .gates = "-", .batch = 64, .seconds = seconds});
  const std::string text = to_json(results);
  const Results again = parse_results(text, "f.json");
  CHECK(to_json(again) == text);
  CHECK(again.seed == results.seed);
  CHECK(again.machine.gpu == "a GPU");
  REQUIRE(again.lines.size() == 2);
  CHECK(again.lines[0].key() == "gated_conv / 3x3 / 0.50");
  CHECK(again.lines[0].seconds.upper == 4);
  CHECK(again.lines[0].proportionality() == Approx(0.4 / (1.0 / 3)));
  CHECK(again.lines[0].gflops() == Approx(2.0 / 3 / 3));
  CHECK_FALSE(again.lines[1].ratio);
  CHECK_FALSE(again.lines[1].proportionality());
  CHECK(again.lines[1].active_macs == 0);

  for (const std::string& bad : {std::string("no JSON"), std::string("{}"), text.substr(0, text.size() / 2),
                                 std::string(R"({"program": "bsg_bench", "schema": 99})")})
    CHECK_THROWS_WITH(parse_results(bad, "f.json"), Contains("f.json: no results of"));
  CHECK_THROWS_AS(parse_results("[]", "f.json"), DataError);
  Results timeless = results;
  timeless.lines[1].seconds.median = 0;
  CHECK_THROWS_WITH(parse_results(to_json(timeless), "f.json"), Contains("has no time"));
}

TEST_CASE("gates are drawn at their density, the worst cases are what they are called", "[bench]") {
  Generator random(3);
  constexpr std::int64_t kBatch = 64, kChannels = 128;
  const auto draw = [&](Pattern pattern, double density = 0) {
    return draw_gates({pattern, density}, kBatch, kChannels, random);
  };
  for (const double density : {0.0, 0.25, 0.5, 0.75, 1.0}) {
    const Gates gates = draw(Pattern::independent, density);
    REQUIRE(gates.open.size() == kBatch);
    double on = 0;
    for (std::size_t n = 0; n < gates.open.size(); ++n) {
      CHECK(std::is_sorted(gates.open[n].begin(), gates.open[n].end()));
      on += static_cast<double>(gates.count(n));
    }
    // Four standard deviations of 8192 coins, at most.
    CHECK(on / (kBatch * kChannels) == Approx(density).margin(4 * 0.5 / 90));
  }
  // Coins differ from sample to sample.
  const Gates half = draw(Pattern::independent, 0.5);
  CHECK(half.open[0] != half.open[1]);
  CHECK(draw(Pattern::all_on).count(5) == kChannels);
  CHECK(draw(Pattern::one_on).open[7] == std::vector<std::int32_t>{kChannels / 2});
  const Gates first = draw(Pattern::first_half);
  CHECK(first.count(0) == kChannels / 2);
  CHECK(first.open[0].back() == kChannels / 2 - 1);
  const Gates second = draw(Pattern::alternating);
  CHECK(second.count(0) == kChannels / 2);
  CHECK(second.open[0][1] == 2);
  const Gates uneven = draw(Pattern::halves_of_batch);
  CHECK(uneven.count(kBatch / 2 - 1) == kChannels);
  CHECK(uneven.count(kBatch / 2) == 0);
  CHECK(gate_choices({0.5}, false).size() == 1);
  for (const GateChoice& choice : gate_choices({0.5}, true)) CHECK(choice.name().size() <= 10);
}

TEST_CASE("a network's gates are moved to a density", "[bench]") {
  Context context;
  Generator random(5);
  const Tensor images = noise_images(context, 16, 8, random);
  for (const double density : {0.25, 0.75, 1.0}) {
    const auto network = models::make_network(context, {.arch = "resnet20_bas", .height = 8, .width = 8}, 3);
    set_density(context, *network, images, density);
    std::vector<nn::GateTrace> traces;
    network->forward({.context = context}, images, traces);
    REQUIRE(traces.size() == 9);
    for (std::size_t layer = 0; layer < traces.size(); ++layer) {
      const std::vector<float> gates = traces[layer].gate.value.values<float>();
      // The last layer has been moved by the last pass, with the gates before it nearly as they are now.
      CHECK(std::accumulate(gates.begin(), gates.end(), 0.0) / static_cast<double>(gates.size()) ==
            Approx(density).margin(layer < 8 ? 0 : 0.1));
    }
  }
}

TEST_CASE("the layers are the networks' own, each shape once", "[bench]") {
  const std::vector<ConvLayer> layers = conv_layers();
  std::vector<std::string> names;
  for (const ConvLayer& layer : layers) {
    CAPTURE(layer.name());
    CHECK(layer.out_size() == (layer.stride == 1 ? layer.size : layer.size / 2));
    names.push_back(layer.name());
  }
  std::sort(names.begin(), names.end());
  CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());
  const auto known = [&](const char* name) {
    return std::binary_search(names.begin(), names.end(), std::string(name));
  };
  for (const char* name : {"3x3 16>16 32x32", "3x3 32>64 16x16 /2", "3x3 64>64 8x8", "3x3 512>512 7x7",
                           "3x3 256>512 14x14 /2", "1x1 2048>512 7x7", "1x1 512>2048 7x7", "3x3 512>512 14x14 /2",
                           "1x1 1024>2048 14x14 /2", "1x1 64>128 56x56 /2", "1x1 64>64 56x56"})
    CHECK(known(name));
  CHECK(layers[0].macs(16, 8) == 9.0 * 16 * 8 * 32 * 32);
}
