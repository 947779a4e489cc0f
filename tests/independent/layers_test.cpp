// Batch norm and cross-entropy against plain loops: values and every gradient.
#include "engine/ops/batch_norm.hpp"
#include "engine/ops/softmax_cross_entropy.hpp"
#include "tests/independent/compare.hpp"
#include "tests/support/gradient_check.hpp"

using namespace bsg;
using plain::Array;
using test::random_tensor;

namespace {

template <class S>
struct NormReference {
  plain::BatchNorm<S> forward;
  Array<S> y;
  plain::BatchNormGradients<S> gradients;
  Array<S> dresidual;

  NormReference(const Tensor& tx, const Tensor& tw, const Tensor& tb, const Tensor* residual, bool relu,
                const Tensor& tdy) {
    const Array<S> x(tx), weight(tw), bias(tb);
    forward = plain::batch_norm(x, weight, bias);
    y = forward.y;
    if (residual != nullptr) {
      const Array<S> more(*residual);
      for (std::size_t i = 0; i < y.values.size(); ++i) y.values[i] += more.values[i];
    }
    Array<S> dy(tdy);
    if (relu) {
      y = plain::relu(y);
      dy = plain::relu_backward(y, dy);
    }
    dresidual = dy;
    gradients = plain::batch_norm_backward(forward, weight, dy);
  }
};

}  // namespace

TEST_CASE("batch_norm in training follows plain loops, with ReLU and residual, gradients and running statistics",
          "[independent]") {
  Context context({.threads = 2});
  for (const Shape& shape :
       {Shape{6, 5, 8, 8}, Shape{5, 3, 1, 1}, Shape{3, 2, 7, 13}, Shape{64, 9}, Shape{40, 2, 32, 32}})
    for (const bool relu : {true, false})
      for (const bool with_residual : {true, false})
        for (const DType dtype : {DType::f32, DType::f64}) {
          CAPTURE(shape.str(), relu, with_residual, to_string(dtype));
          const std::int64_t channels = shape[1];
          // A mean of 20 standard deviations, so that naive sums lose digits as they do behind a real layer.
          Tensor x = random_tensor(context, shape, 1, DType::f64);
          for (double& value : x.span<double>()) value += 20;
          x = x.cast(context, dtype);
          const Tensor w = random_tensor(context, {channels}, 2, dtype),
                       b = random_tensor(context, {channels}, 3, dtype),
                       residual = random_tensor(context, shape, 4, dtype), dy = random_tensor(context, shape, 5, dtype);
          Tensor mean = Tensor::zeros(context, {channels}, dtype), variance = Tensor::zeros(context, {channels}, dtype);
          Tape tape(context);
          const Var vx = tape.input(x), vw = tape.input(w), vb = tape.input(b), vr = tape.input(residual);
          const Var y = ops::batch_norm(context, vx, vw, vb, mean, variance, {.momentum = 1, .relu = relu},
                                        with_residual ? vr : Var());
          tape.backward(y, dy);
          const NormReference<double> exact(x, w, b, with_residual ? &residual : nullptr, relu, dy);
          const NormReference<float> naive(x, w, b, with_residual ? &residual : nullptr, relu, dy);
          plain::check_close("y", y.value, exact.y, naive.y);
          plain::check_close("dx", tape.gradient(vx), exact.gradients.x, naive.gradients.x);
          plain::check_close("dweight", tape.gradient(vw), exact.gradients.weight, naive.gradients.weight);
          plain::check_close("dbias", tape.gradient(vb), exact.gradients.bias, naive.gradients.bias);
          if (with_residual) plain::check_close("dresidual", tape.gradient(vr), exact.dresidual, naive.dresidual);
          // Momentum 1: the running statistics are the batch's, the variance unbiased.
          const double count = static_cast<double>(x.numel() / channels);
          Array<double> unbiased = exact.forward.variance;
          for (double& value : unbiased.values) value *= count / (count - 1);
          Array<float> naive_unbiased = naive.forward.variance;
          for (float& value : naive_unbiased.values) value *= static_cast<float>(count / (count - 1));
          plain::check_close("running_mean", mean, exact.forward.mean, naive.forward.mean);
          plain::check_close("running_var", variance, unbiased, naive_unbiased);
        }
}

TEST_CASE("softmax_cross_entropy follows plain loops, with smoothing and ignored labels, on rows and maps",
          "[independent]") {
  Context context({.threads = 2});
  for (const Shape& shape : {Shape{128, 10}, Shape{3, 1000}, Shape{1, 2}, Shape{2, 19, 5, 7}, Shape{1, 1, 1, 1}})
    for (const double smoothing : {0.0, 0.1})
      for (const DType dtype : {DType::f32, DType::f64}) {
        CAPTURE(shape.str(), smoothing, to_string(dtype));
        const Tensor logits = random_tensor(context, shape, 1, dtype, 3.0);
        std::vector<std::int64_t> labels;
        Generator random(2);
        const Shape positions = shape.rank() == 4 ? Shape{shape[0], shape[2], shape[3]} : Shape{shape[0]};
        for (std::int64_t i = 0; i < positions.numel(); ++i)
          labels.push_back(i > 0 && random.uniform() < 0.2
                               ? 255
                               : static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(shape[1]))));
        const Tensor label_tensor = Tensor::from<std::int64_t>(context, positions, labels);
        Tape tape(context);
        const Var tracked = tape.input(logits);
        const Var loss = ops::softmax_cross_entropy(context, tracked, label_tensor,
                                                    {.label_smoothing = smoothing, .ignore_index = 255});
        tape.backward(loss);
        const auto exact = plain::cross_entropy(Array<double>(logits), labels, smoothing, 255);
        const auto naive = plain::cross_entropy(Array<float>(logits), labels, smoothing, 255);
        Array<double> exact_loss(1, 1);
        exact_loss.values[0] = exact.loss;
        Array<float> naive_loss(1, 1);
        naive_loss.values[0] = naive.loss;
        plain::check_close("loss", loss.value, exact_loss, naive_loss);
        plain::check_close("gradient", tape.gradient(tracked), exact.gradient, naive.gradient);
      }
}
