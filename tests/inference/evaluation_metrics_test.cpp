#include "engine/inference/evaluation_metrics.hpp"

#include <cmath>
#include <limits>

#include "engine/core/error.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;
using inference::Evaluation;
using inference::EvaluationMetrics;
using inference::Output;

namespace {

// Two layers, of 2 gates with 10 MACs each and 3 with 100; 7 MACs in any case.
nn::MacModel two_layers() {
  nn::MacModel macs;
  macs.dense = 320;
  macs.fixed = 7;
  macs.layers = {{"a", 2, 10}, {"b", 3, 100}};
  return macs;
}

// logits for two classes of which class 0 has the given one, the other 0.
Output output_of(Context& context, const std::vector<float>& first_logits, const std::vector<std::uint8_t>& gates) {
  const auto images = static_cast<std::int64_t>(first_logits.size());
  std::vector<float> logits;
  std::vector<std::int32_t> open;
  for (std::size_t n = 0; n < first_logits.size(); ++n) {
    logits.insert(logits.end(), {first_logits[n], 0});
    const std::uint8_t* g = gates.data() + 5 * n;
    open.insert(open.end(), {g[0] + g[1], g[2] + g[3] + g[4]});
  }
  return {Tensor::from(context, {images, 2}, logits), Tensor::from(context, {images, 2}, open),
          Tensor::from(context, {images, 5}, gates)};
}

}  // namespace

TEST_CASE("loss, accuracy, density and MACs are means over all batches", "[evaluation]") {
  Context context;
  const nn::MacModel macs = two_layers();
  EvaluationMetrics metrics(macs);
  metrics.add(output_of(context, {2, -1}, {1, 1, 0, 0, 1, /**/ 0, 0, 0, 0, 0}),
              Tensor::from(context, {2}, std::vector<std::int64_t>{0, 0}));
  metrics.add(output_of(context, {-3}, {1, 0, 1, 1, 1}), Tensor::from(context, {1}, std::vector<std::int64_t>{1}));
  const Evaluation result = metrics.result();
  CHECK(result.images == 3);
  CHECK(result.loss ==
        Approx((std::log1p(std::exp(-2.0)) + std::log1p(std::exp(1.0)) + std::log1p(std::exp(-3.0))) / 3));
  CHECK(result.top1 == Approx(100 * 2.0 / 3));
  CHECK(result.density == Approx(7.0 / 15));
  REQUIRE(result.density_per_layer.size() == 2);
  CHECK(result.density_per_layer[0] == Approx(3.0 / 6));
  CHECK(result.density_per_layer[1] == Approx(4.0 / 9));
  CHECK(result.macs_mean == Approx((127 + 7 + 317) / 3.0));
  CHECK(result.macs_min == 7);
  CHECK(result.macs_max == 317);
  CHECK(result.macs_dense == 320);
  // The third image has the lowest loss, the second the highest.
  CHECK(result.density_easiest_tenth == Approx(4.0 / 5));
  CHECK(result.density_hardest_tenth == 0);
  CHECK_FALSE(result.density_easy.has_value());
}

TEST_CASE("density on easy and hard images is taken from the thirds by difficulty", "[evaluation]") {
  Context context;
  const nn::MacModel macs = two_layers();
  EvaluationMetrics metrics(macs);
  std::vector<std::uint8_t> gates;
  std::vector<float> difficulty;
  for (int n = 0; n < 9; ++n) {
    difficulty.push_back(static_cast<float>((n * 4) % 9) / 9);
    for (int i = 0; i < 5; ++i) gates.push_back(i < (n * 4) % 9 / 2 ? 1 : 0);
  }
  const Tensor labels = Tensor::zeros(context, {9}, DType::i64);
  const Output output = output_of(context, std::vector<float>(9, 1), gates);
  metrics.add(output, labels, difficulty);
  CHECK(metrics.result().density_easy.value() == Approx((0 + 0 + 1) / 15.0));
  CHECK(metrics.result().density_hard.value() == Approx((3 + 3 + 4) / 15.0));
  difficulty[4] = std::numeric_limits<float>::quiet_NaN();
  metrics.add(output, labels, difficulty);
  CHECK_FALSE(metrics.result().density_hard.has_value());
}

TEST_CASE("gates count as conditional between 1 and 99 percent of the images", "[evaluation]") {
  Context context;
  const nn::MacModel macs = two_layers();
  EvaluationMetrics metrics(macs);
  std::vector<std::uint8_t> gates;
  for (int n = 0; n < 200; ++n)
    for (const int on : {0, 2, 3, 197, 198}) gates.push_back(n < on ? 1 : 0);
  metrics.add(output_of(context, std::vector<float>(200, 1), gates), Tensor::zeros(context, {200}, DType::i64));
  const Evaluation result = metrics.result();
  REQUIRE(result.gate_use.has_value());
  CHECK(result.gate_use->conditional == Approx(0.4));
  CHECK(result.gate_use->always_on == Approx(0.2));
  CHECK(result.gate_use->always_off == Approx(0.4));
  REQUIRE(result.gate_use_per_layer.size() == 2);
  CHECK(result.gate_use_per_layer[0].always_off == 1);
  CHECK(result.gate_use_per_layer[1].conditional == Approx(2.0 / 3));
}

TEST_CASE("a network without gates has density 1 and needs its dense MACs", "[evaluation]") {
  Context context;
  nn::MacModel macs;
  macs.dense = macs.fixed = 50;
  EvaluationMetrics metrics(macs);
  CHECK(metrics.result().images == 0);
  metrics.add({Tensor::zeros(context, {2, 3}), Tensor::empty(context, {2, 0}, DType::i32), Tensor()},
              Tensor::zeros(context, {2}, DType::i64));
  const Evaluation result = metrics.result();
  CHECK(result.loss == Approx(std::log(3.0)));
  CHECK(result.density == 1);
  CHECK(result.density_hardest_tenth == 1);
  CHECK(result.macs_mean == 50);
  CHECK_FALSE(result.gate_use.has_value());
}

TEST_CASE("outputs and labels that do not fit together are named", "[evaluation]") {
  Context context;
  const nn::MacModel macs = two_layers();
  EvaluationMetrics metrics(macs);
  const Output output = output_of(context, {1}, {1, 1, 0, 0, 1});
  REQUIRE_THROWS_AS(metrics.add(output, Tensor::zeros(context, {2}, DType::i64)), ShapeError);
  REQUIRE_THROWS_WITH(metrics.add(output, Tensor::full(context, {1}, 2, DType::i64)), Catch::Contains("label 2"));
  REQUIRE_THROWS_AS(metrics.add({output.logits, Tensor::zeros(context, {1, 3}, DType::i32), Tensor()},
                                Tensor::zeros(context, {1}, DType::i64)),
                    ShapeError);
  CHECK(metrics.images() == 0);
}
