// Every op but the convolutions (tests/ops_conv2d), by central differences in double precision.
#include <cmath>
#include <limits>

#include "engine/core/error.hpp"
#include "engine/ops/add.hpp"
#include "engine/ops/batch_norm.hpp"
#include "engine/ops/binary_concrete_gate.hpp"
#include "engine/ops/global_average_pool.hpp"
#include "engine/ops/linear.hpp"
#include "engine/ops/mul_gate.hpp"
#include "engine/ops/option_a_shortcut.hpp"
#include "engine/ops/relu.hpp"
#include "engine/ops/sigmoid.hpp"
#include "engine/ops/softmax_cross_entropy.hpp"
#include "engine/ops/weighted_sum.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/gradient_check.hpp"

using namespace bsg;
using test::check_gradients;
using test::random_tensor;
using Inputs = std::vector<Var>;

TEST_CASE("gradients of element-wise, pooling and linear ops", "[ops]") {
  Context context({.threads = 2});
  const Tensor x = random_tensor(context, {3, 5, 4, 3}, 1), gate = random_tensor(context, {3, 5}, 2);
  check_gradients(
      "relu", [](Context& c, const Inputs& in) { return ops::relu(c, in[0]); }, {x}, context);
  check_gradients(
      "sigmoid", [](Context& c, const Inputs& in) { return ops::sigmoid(c, in[0]); }, {x}, context);
  check_gradients(
      "l0_loss", [](Context& c, const Inputs& in) { return ops::l0_loss(c, in[0]); }, {gate}, context);
  check_gradients(
      "add", [](Context& c, const Inputs& in) { return ops::add(c, in[0], in[1]); },
      {x, random_tensor(context, x.shape(), 3)}, context);
  check_gradients(
      "mul_gate", [](Context& c, const Inputs& in) { return ops::mul_gate(c, in[0], in[1]); }, {x, gate}, context);
  check_gradients(
      "global_average_pool", [](Context& c, const Inputs& in) { return ops::global_average_pool(c, in[0]); }, {x},
      context);
  for (const int stride : {1, 2})
    check_gradients(
        "option_a_shortcut", [&](Context& c, const Inputs& in) { return ops::option_a_shortcut(c, in[0], 8, stride); },
        {x}, context);
  check_gradients(
      "linear", [](Context& c, const Inputs& in) { return ops::linear(c, in[0], in[1], in[2]); },
      {gate, random_tensor(context, {7, 5}, 4), random_tensor(context, {7}, 5)}, context);
  check_gradients(
      "weighted_sum",
      [](Context& c, const Inputs& in) {
        return ops::weighted_sum(c, in, {2.0, -0.5});
      },
      {random_tensor(context, {1}, 6), random_tensor(context, {1}, 7)}, context);
}

TEST_CASE("gradients of batch_norm in training and inference, with ReLU and residual", "[ops]") {
  Context context({.threads = 2});
  for (const bool training : {true, false})
    for (const bool relu : {true, false})
      for (const bool with_residual : {true, false})
        for (const Shape& shape : {Shape{4, 3, 5, 2}, Shape{6, 3}}) {
          const auto f = [&](Context& c, const Inputs& in) {
            Tensor mean = random_tensor(c, {3}, 8), variance = Tensor::full(c, {3}, 1.5, DType::f64);
            const ops::BatchNormOptions options{.training = training, .relu = relu};
            return ops::batch_norm(c, in[0], in[1], in[2], mean, variance, options, with_residual ? in[3] : Var());
          };
          std::vector<Tensor> inputs = {random_tensor(context, shape, 1), random_tensor(context, {3}, 2),
                                        random_tensor(context, {3}, 3)};
          if (with_residual) inputs.push_back(random_tensor(context, shape, 4));
          CAPTURE(training, relu, with_residual, shape.str());
          check_gradients("batch_norm", f, inputs, context, {.step = 1e-6, .tolerance = 1e-5});
        }
}

TEST_CASE("batch_norm follows plain loops in double, running statistics included", "[ops]") {
  Context context({.threads = 2});
  const Shape shape{5, 4, 3, 7};
  const Tensor x = random_tensor(context, shape, 1, DType::f32, 3.0);
  Tensor weight = Tensor::full(context, {4}, 1.25), bias = Tensor::full(context, {4}, -0.5);
  Tensor mean = Tensor::full(context, {4}, 2), variance = Tensor::full(context, {4}, 3);
  const Tensor y = ops::batch_norm(context, x, weight, bias, mean, variance, {}).value;
  for (int c = 0; c < 4; ++c) {
    double sum = 0, squares = 0;
    const auto at = [&](int n, int i) { return (n * 4 + c) * 21 + i; };
    for (int n = 0; n < 5; ++n)
      for (int i = 0; i < 21; ++i) sum += x.data<float>()[at(n, i)];
    const double mu = sum / 105;
    for (int n = 0; n < 5; ++n)
      for (int i = 0; i < 21; ++i) squares += std::pow(x.data<float>()[at(n, i)] - mu, 2);
    CHECK(mean.data<float>()[c] == Approx(2 + 0.1 * (mu - 2)).epsilon(1e-6));
    CHECK(variance.data<float>()[c] == Approx(3 + 0.1 * (squares / 104 - 3)).epsilon(1e-6));
    for (int n = 0; n < 5; ++n)
      for (int i = 0; i < 21; ++i)
        REQUIRE(y.data<float>()[at(n, i)] ==
                Approx(1.25 * (x.data<float>()[at(n, i)] - mu) / std::sqrt(squares / 105 + 1e-5) - 0.5).margin(2e-6));
  }
}

TEST_CASE("softmax_cross_entropy: gradient, smoothing, ignored labels, large logits", "[ops]") {
  Context context;
  const Tensor logits = random_tensor(context, {4, 6}, 1);
  const Tensor labels = Tensor::from<std::int64_t>(context, {4}, std::vector<std::int64_t>{0, 5, -100, 2});
  for (const double smoothing : {0.0, 0.1}) {
    const auto f = [&](Context& c, const Inputs& in) {
      return ops::softmax_cross_entropy(c, in[0], labels, {.label_smoothing = smoothing});
    };
    check_gradients("softmax_cross_entropy", f, {logits}, context);
    double expected = 0;
    for (const int n : {0, 1, 3}) {
      double sum = 0;
      for (int k = 0; k < 6; ++k) sum += std::exp(logits.data<double>()[n * 6 + k]);
      for (int k = 0; k < 6; ++k) {
        const double target = (k == labels.data<std::int64_t>()[n] ? 1 - smoothing : 0) + smoothing / 6;
        expected -= target * (logits.data<double>()[n * 6 + k] - std::log(sum)) / 3;
      }
    }
    CHECK(f(context, {Var(logits)}).value.data<double>()[0] == Approx(expected).epsilon(1e-12));
  }
  const Tensor maps = random_tensor(context, {2, 3, 2, 2}, 2);
  const Tensor pixels =
      Tensor::from<std::int64_t>(context, {2, 2, 2}, std::vector<std::int64_t>{0, 1, 2, -100, 1, 1, 0, 2});
  check_gradients(
      "softmax_cross_entropy",
      [&](Context& c, const Inputs& in) { return ops::softmax_cross_entropy(c, in[0], pixels); }, {maps}, context);

  const Tensor ignored = Tensor::full(context, {4}, -100, DType::i64);
  CHECK(ops::softmax_cross_entropy(context, logits, ignored).value.data<double>()[0] == 0);
  const Tensor huge = Tensor::from<float>(context, {1, 2}, std::vector<float>{1e4f, -1e4f});
  CHECK(ops::softmax_cross_entropy(context, huge, Tensor::zeros(context, {1}, DType::i64)).value.data<float>()[0] == 0);
  // A class masked out by a logit of -infinity.
  const Tensor masked =
      Tensor::from<double>(context, {1, 3}, std::vector<double>{0, 0, -std::numeric_limits<double>::infinity()});
  CHECK(ops::softmax_cross_entropy(context, masked, Tensor::zeros(context, {1}, DType::i64)).value.data<double>()[0] ==
        Approx(std::log(2)));
  REQUIRE_THROWS_WITH(ops::softmax_cross_entropy(context, logits, Tensor::full(context, {4}, 6, DType::i64)),
                      Catch::Contains("label 6 at position 0"));
}

TEST_CASE("softmax_cross_entropy: class weights", "[ops]") {
  Context context;
  const Tensor logits = random_tensor(context, {2, 4, 3, 2}, 1);
  const std::vector<std::int64_t> labels = {0, 1, 2, 3, -100, 1, 2, 2, 0, -100, 3, 3};
  const std::vector<float> weights = {0.5F, 2, 0, 1.25F};
  const Tensor pixels = Tensor::from<std::int64_t>(context, {2, 3, 2}, labels);
  const Tensor class_weights = Tensor::from<float>(context, {4}, weights);
  for (const double smoothing : {0.0, 0.2}) {
    const auto f = [&](Context& c, const Inputs& in) {
      return ops::softmax_cross_entropy(c, in[0], pixels,
                                        {.label_smoothing = smoothing, .class_weights = class_weights});
    };
    check_gradients("softmax_cross_entropy", f, {logits}, context);
    double expected = 0, weight = 0;
    for (int i = 0; i < 12; ++i) {
      const std::int64_t label = labels[static_cast<std::size_t>(i)];
      if (label == -100) continue;
      const double* z = logits.data<double>() + i / 6 * 24 + i % 6;
      double sum = 0;
      for (int k = 0; k < 4; ++k) sum += std::exp(z[k * 6]);
      for (int k = 0; k < 4; ++k) {
        const double target = (k == label ? 1 - smoothing : 0) + smoothing / 4;
        expected -= static_cast<double>(weights[static_cast<std::size_t>(k)]) * target * (z[k * 6] - std::log(sum));
      }
      weight += static_cast<double>(weights[static_cast<std::size_t>(label)]);
    }
    CHECK(f(context, {Var(logits)}).value.data<double>()[0] == Approx(expected / weight).epsilon(1e-12));
  }
  // Positions without weight, as if all were ignored.
  const Tensor second = Tensor::full(context, {2, 3, 2}, 2, DType::i64);
  CHECK(ops::softmax_cross_entropy(context, logits, second, {.class_weights = class_weights}).value.data<double>()[0] ==
        0);

  const auto refuse = [&](const Tensor& given, const std::string& message) {
    REQUIRE_THROWS_WITH(ops::softmax_cross_entropy(context, logits, pixels, {.class_weights = given}),
                        Catch::Contains(message));
  };
  refuse(Tensor::full(context, {3}, 1), "class_weights [3], expected [4]");
  refuse(Tensor::full(context, {4}, 1, DType::i64), "i64 values, f32 or f64 are needed");
  refuse(Tensor::full(context, {4}, -0.5), "class 0 has weight -0.5");
  refuse(Tensor::full(context, {4}, std::numeric_limits<double>::infinity()), "class 0 has weight inf");
}

TEST_CASE("binary_concrete_gate: hard forward, sigmoid's gradient, the same draws for any thread count", "[ops]") {
  const Shape shape{37, 11};
  std::vector<std::vector<double>> gates;
  for (const int threads : {1, 2, 3}) {
    Context context({.threads = threads, .seed = 5});
    const Tensor gate = ops::binary_concrete_gate(context, random_tensor(context, shape, 1)).value;
    gates.emplace_back(gate.span<double>().begin(), gate.span<double>().end());
    CHECK(context.random().position() == static_cast<std::uint64_t>(shape.numel()));
  }
  CHECK(gates[0] == gates[1]);
  CHECK(gates[0] == gates[2]);

  Context context({.seed = 3});
  const Tensor logits = random_tensor(context, shape, 1);
  Tape tape(context);
  const Var tracked = tape.input(logits);
  const Var still = ops::binary_concrete_gate(context, tracked, {.training = false});
  tape.backward(still, Tensor::full(context, shape, 1, DType::f64));
  const Tensor slope = tape.gradient(tracked);
  for (std::int64_t i = 0; i < logits.numel(); ++i) {
    const double z = logits.data<double>()[i], s = 1 / (1 + std::exp(-1.5 * z));
    REQUIRE(still.value.data<double>()[i] == (z > 0 ? 1 : 0));
    REQUIRE(slope.data<double>()[i] == Approx(1.5 * s * (1 - s)));
  }
  // P(gate on) = sigmoid(logit): the noise is logistic.
  const Tensor wide = Tensor::full(context, {200, 1000}, 0.7);
  double on = 0;
  for (const float gate : ops::binary_concrete_gate(context, wide).value.span<float>()) on += gate;
  CHECK(on / 200000 == Approx(1 / (1 + std::exp(-0.7))).margin(0.004));
}

TEST_CASE("bad shapes are named", "[ops]") {
  Context context;
  const Tensor x = Tensor::zeros(context, {2, 3, 4, 4});
  REQUIRE_THROWS_WITH(ops::add(context, x, Tensor::zeros(context, {2})),
                      Catch::Contains("add") && Catch::Contains("[2, 3, 4, 4]"));
  REQUIRE_THROWS_WITH(ops::mul_gate(context, x, Tensor::zeros(context, {3, 2})),
                      Catch::Contains("mul_gate") && Catch::Contains("[3, 2]"));
  REQUIRE_THROWS_WITH(ops::linear(context, Tensor::zeros(context, {2, 3}), Tensor::zeros(context, {4, 5}), Var()),
                      Catch::Contains("linear"));
  REQUIRE_THROWS_AS(ops::option_a_shortcut(context, x, 2, 1), ShapeError);
  REQUIRE_THROWS_AS(ops::global_average_pool(context, Tensor::zeros(context, {2, 3})), ShapeError);
  REQUIRE_THROWS_AS(ops::relu(context, Tensor::zeros(context, {2}, DType::i64)), ShapeError);
  Tensor mean = Tensor::zeros(context, {3}), variance = Tensor::full(context, {3}, 1);
  const Var one = Tensor::full(context, {3}, 1);
  REQUIRE_THROWS_WITH(ops::batch_norm(context, Tensor::zeros(context, {1, 3}), one, one, mean, variance, {}),
                      Catch::Contains("at least 2"));
  const Tensor rows = Tensor::zeros(context, {4, 3});
  REQUIRE_THROWS_WITH(ops::batch_norm(context, rows, one, one, mean, variance, {.momentum = 1.5}),
                      Catch::Contains("momentum 1.5"));
  REQUIRE_THROWS_WITH(ops::batch_norm(context, rows, one, one, mean, variance, {.epsilon = -1}),
                      Catch::Contains("epsilon -1"));
}

TEST_CASE("softmax_cross_entropy over many pixels: the same bits for any thread count, the mean of its images",
          "[ops]") {
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 3}) {
    Context context({.threads = threads});
    const Tensor logits = random_tensor(context, {2, 5, 80, 101}, 1, DType::f32);
    std::vector<std::int64_t> classes;
    for (std::int64_t i = 0; i < 2 * 80 * 101; ++i) classes.push_back(i * i % 7 % 5);
    const Tensor labels = Tensor::from<std::int64_t>(context, {2, 80, 101}, classes);
    Tape tape(context);
    const Var tracked = tape.input(logits);
    const Var loss = ops::softmax_cross_entropy(context, tracked, labels);
    std::vector<float>& result = results.emplace_back(loss.value.values<float>());
    tape.backward(loss);
    const std::vector<float> gradient = tape.gradient(tracked).values<float>();
    result.insert(result.end(), gradient.begin(), gradient.end());

    double mean = 0;
    for (std::size_t n = 0; n < 2; ++n) {
      const auto count = static_cast<std::size_t>(80 * 101);
      const std::span<const std::int64_t> image = std::span<const std::int64_t>(classes).subspan(n * count, count);
      mean += 0.5 *
              ops::softmax_cross_entropy(
                  context,
                  Tensor::from<float>(context, {1, 5, 80, 101}, logits.span<float>().subspan(n * 5 * count, 5 * count)),
                  Tensor::from<std::int64_t>(context, {1, 80, 101}, image))
                  .value.item();
    }
    CHECK(result[0] == Approx(mean).epsilon(1e-6));
  }
  CHECK(results[0] == results[1]);
  CHECK(results[0] == results[2]);
}
