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

TEST_CASE("a label within the five largest logits counts for top-5, ties in the order of the classes", "[evaluation]") {
  Context context;
  nn::MacModel macs;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto top = [&](std::int64_t classes, const std::vector<float>& logits,
                       const std::vector<std::int64_t>& labels) {
    const auto images = static_cast<std::int64_t>(labels.size());
    EvaluationMetrics metrics(macs);
    metrics.add({Tensor::from(context, {images, classes}, logits), Tensor::empty(context, {images, 0}, DType::i32), {}},
                Tensor::from(context, {images}, labels));
    const Evaluation result = metrics.result();
    CHECK_FALSE(result.segmentation.has_value());
    return std::pair(result.top1, result.top5);
  };
  const std::vector<float> falling = {6, 5, 4, 3, 2, 1, 6, 5, 4, 3, 2, 1, 6, 5, 4, 3, 2, 1, 6, 5, 4, 3, 2, 1};
  CHECK(top(6, falling, {0, 4, 5, 5}) == std::pair(25.0, std::optional(50.0)));
  CHECK(top(6, std::vector<float>(12, 1), {4, 5}) == std::pair(0.0, std::optional(50.0)));
  CHECK(top(6, std::vector<float>(6, 1), {0}) == std::pair(100.0, std::optional(100.0)));
  // NaN is the largest: the one before the label wins, those after it do not.
  CHECK(top(6, {1, 2, nan, 3, nan, 4}, {4}) == std::pair(0.0, std::optional(100.0)));
  CHECK(top(6, {1, 2, nan, 3, nan, 4}, {2}).first == 100);
  CHECK(top(5, {5, 4, 3, 2, 1}, {4}) == std::pair(0.0, std::optional<double>()));
}

TEST_CASE("segmentation is judged by pixels with a label, its images by their own mean loss", "[evaluation]") {
  Context context;
  const nn::MacModel macs = two_layers();
  for (const int threads : {1, 3}) {
    EvaluationMetrics metrics(macs, threads);
    // Two images of 1 x 4 pixels: logits of class 0, of class 1, of class 2.
    const std::vector<float> logits = {2, 0, 0, 0, /**/ 0, 2, 2, 0, /**/ 0, 0, 0, 2,
                                       0, 0, 0, 0, /**/ 0, 0, 0, 0, /**/ 0, 0, 0, 0};
    const Output output{Tensor::from(context, {2, 3, 1, 4}, logits),
                        Tensor::from(context, {2, 2}, std::vector<std::int32_t>{2, 1, 0, 0}),
                        {}};
    metrics.add(output, Tensor::from(context, {2, 1, 4}, std::vector<std::int64_t>{0, 1, 0, -100, 0, 0, -100, 1}));
    const Evaluation result = metrics.result();
    // Labels 0 0 0 0 1 1 beside predictions 0 0 0 1 1 0.
    REQUIRE(result.segmentation.has_value());
    CHECK(result.segmentation->iou_per_class[0] == Approx(3.0 / 5));
    CHECK(result.segmentation->iou_per_class[1] == Approx(1.0 / 3));
    CHECK(std::isnan(result.segmentation->iou_per_class[2]));
    CHECK(result.segmentation->mean_iou == Approx((3.0 / 5 + 1.0 / 3) / 2));
    CHECK(result.segmentation->pixel_accuracy == Approx(4.0 / 6));
    CHECK(result.top1 == Approx(100 * 4.0 / 6));
    CHECK_FALSE(result.top5.has_value());
    const double sure = std::log(std::exp(2.0) + 2) - 2;
    CHECK(metrics.image(0).loss == Approx((sure + sure + sure + 2) / 3).epsilon(1e-6));
    CHECK(metrics.image(1).loss == Approx(std::log(3.0)).epsilon(1e-6));
    CHECK(result.loss == Approx((metrics.image(0).loss + metrics.image(1).loss) / 2));
    CHECK(metrics.image(0).accuracy == Approx(2.0 / 3));
    CHECK(metrics.image(0).mean_iou.value() == Approx(0.5));
    CHECK(metrics.image(1).mean_iou.value() == Approx((2.0 / 3 + 0) / 2));
    CHECK(result.density_easiest_tenth == Approx(3.0 / 5));
    CHECK(result.density_hardest_tenth == 0);
    CHECK(metrics.image(0).density_per_layer == std::vector<double>{1, 1.0 / 3});
    CHECK(metrics.image(0).macs == 127);
    REQUIRE_THROWS_WITH(metrics.add(output, Tensor::full(context, {2, 1, 4}, 3, DType::i64)),
                        Catch::Contains("label 3 at 0"));
    REQUIRE_THROWS_WITH(metrics.add(output_of(context, {1}, {1, 1, 0, 0, 1}), Tensor::zeros(context, {1}, DType::i64)),
                        Catch::Contains("after those of 3 classes for each pixel"));
    CHECK(metrics.images() == 2);
  }
}

TEST_CASE("an image without a label has no loss, and one whose logits are NaN has one", "[evaluation]") {
  Context context;
  nn::MacModel macs;
  EvaluationMetrics metrics(macs);
  const Tensor open = Tensor::empty(context, {1, 0}, DType::i32);
  const Tensor zeros = Tensor::zeros(context, {1, 2, 3, 3});
  metrics.add({zeros, open, {}}, Tensor::full(context, {1, 3, 3}, -100, DType::i64));
  CHECK(metrics.result().loss == 0);
  CHECK(metrics.result().segmentation->mean_iou == 0);
  metrics.add({Tensor::full(context, {1, 2, 3, 3}, std::nan("")), open, {}},
              Tensor::zeros(context, {1, 3, 3}, DType::i64));
  CHECK(std::isnan(metrics.result().loss));
  // The first of the largest.
  CHECK(metrics.result().segmentation->pixel_accuracy == 1);
}

TEST_CASE("windows of an image, and images of other sizes, add up to what each needs", "[evaluation]") {
  Context context;
  const nn::MacModel macs = two_layers();
  nn::MacModel larger = macs;
  larger.dense = 1000, larger.fixed = 27, larger.layers[0].macs_per_gate = 20;
  EvaluationMetrics metrics(macs);
  const Tensor labels = Tensor::zeros(context, {1}, DType::i64);
  Output output = output_of(context, {1}, {1, 1, 0, 0, 1});
  metrics.add(larger, output, labels);
  output.open = Tensor::from(context, {2, 2}, std::vector<std::int32_t>{1, 0, 2, 3});
  output.gates = Tensor();
  metrics.add(output, labels);
  CHECK(metrics.image(0).macs == 27 + 2 * 20 + 100);
  CHECK(metrics.image(1).macs == 17 + 327);
  CHECK(metrics.image(1).density_per_layer == std::vector<double>{3.0 / 4, 3.0 / 6});
  CHECK(metrics.image(1).density == Approx(6.0 / 10));
  const Evaluation result = metrics.result();
  CHECK(result.macs_dense == (1000 + 2 * 320) / 2);
  CHECK(result.density == Approx(9.0 / 15));
  CHECK(result.density_per_layer == std::vector<double>{5.0 / 6, 4.0 / 9});
  nn::MacModel other = macs;
  other.layers.pop_back();
  REQUIRE_THROWS_AS(metrics.add(other, output, labels), ShapeError);
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
