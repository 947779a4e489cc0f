#include "engine/ops/batch_norm.hpp"

#include <cmath>
#include <memory>
#include <vector>

#include "engine/ops/float_dispatch.hpp"
#include "kernels/batch_norm/batch_norm.hpp"

namespace bsg::ops {
namespace {

constexpr std::string_view kOp = "batch_norm";

struct Statistics {
  std::vector<double> mean, inverse_deviation;
};

void check(const Var& x, const Var& weight, const Var& bias, const Tensor& mean, const Tensor& variance,
           const BatchNormOptions& options, const Var& residual) {
  if (x.shape().rank() != 4 && x.shape().rank() != 2)
    throw_error<ShapeError>("{}: x {}, expected [N, C, H, W] or [N, C]", kOp, x.shape().str());
  const Shape per_channel{x.shape()[1]};
  const auto fits = [&](const Tensor& t) { return t.shape() == per_channel && t.dtype() == x.dtype(); };
  if (!fits(weight.value) || !fits(bias.value) || !fits(mean) || !fits(variance))
    throw_error<ShapeError>(
        "{}: x {} {} with weight {}, bias {}, running_mean {}, running_var {}; each must be {} of x's type", kOp,
        to_string(x.dtype()), x.shape().str(), weight.shape().str(), bias.shape().str(), mean.shape().str(),
        variance.shape().str(), per_channel.str());
  if (residual.value.defined() && (residual.shape() != x.shape() || residual.dtype() != x.dtype()))
    throw_error<ShapeError>("{}: residual {} for x {}", kOp, residual.shape().str(), x.shape().str());
  if (!(options.momentum >= 0 && options.momentum <= 1) || !(options.epsilon >= 0))
    throw_error<ShapeError>("{}: momentum {}, epsilon {}; expected a value in [0, 1], at least 0", kOp,
                            options.momentum, options.epsilon);
  const std::int64_t values = x.shape()[1] > 0 ? x.value.numel() / x.shape()[1] : 0;
  if (options.training && values < 2)
    throw_error<ShapeError>("{}: x {} has {} values a channel, training needs at least 2", kOp, x.shape().str(),
                            values);
}

}  // namespace

Var batch_norm(Context& context, const Var& x, const Var& weight, const Var& bias, Tensor& running_mean,
               Tensor& running_var, const BatchNormOptions& options, const Var& residual) {
  check(x, weight, bias, running_mean, running_var, options, residual);
  return with_float_type(kOp, x.dtype(), [&](auto type) {
    using T = decltype(type);
    const std::int64_t channels = x.shape()[1];
    const kernels::BatchNormShape shape{x.shape()[0], channels,
                                        x.shape().rank() == 4 ? x.shape()[2] * x.shape()[3] : 1};
    auto statistics = std::make_shared<Statistics>();
    statistics->mean.resize(static_cast<std::size_t>(channels));
    statistics->inverse_deviation.resize(static_cast<std::size_t>(channels));
    if (options.training) {
      std::vector<double> variance(static_cast<std::size_t>(channels));
      kernels::cpu::batch_norm_statistics<T>(context.launch(), shape, x.value.data<T>(), statistics->mean.data(),
                                             variance.data());
      const double count = static_cast<double>(shape.samples * shape.plane);
      T* mean = running_mean.data<T>();
      T* var = running_var.data<T>();
      for (std::int64_t c = 0; c < channels; ++c) {
        const auto at = static_cast<std::size_t>(c);
        statistics->inverse_deviation[at] = 1 / std::sqrt(variance[at] + options.epsilon);
        mean[c] = static_cast<T>(mean[c] + options.momentum * (statistics->mean[at] - mean[c]));
        var[c] = static_cast<T>(var[c] + options.momentum * (variance[at] * count / (count - 1) - var[c]));
      }
      running_mean.bump_version();
      running_var.bump_version();
    } else {
      for (std::int64_t c = 0; c < channels; ++c) {
        statistics->mean[static_cast<std::size_t>(c)] = running_mean.data<T>()[c];
        statistics->inverse_deviation[static_cast<std::size_t>(c)] =
            1 / std::sqrt(running_var.data<T>()[c] + options.epsilon);
      }
    }
    Tensor y = Tensor::empty(context, x.shape(), x.dtype());
    const kernels::BatchNormInputs<T> inputs{shape,
                                             x.value.data<T>(),
                                             weight.value.data<T>(),
                                             bias.value.data<T>(),
                                             statistics->mean.data(),
                                             statistics->inverse_deviation.data(),
                                             options.relu};
    kernels::cpu::batch_norm_forward<T>(
        context.launch(), {inputs, residual.value.defined() ? residual.value.data<T>() : nullptr, y.data<T>()});
    // With a residual the ReLU's mask cannot be computed again from x alone.
    const Saved saved_y = options.relu && residual.value.defined() ? Saved(y) : Saved();
    return record(kOp, y, {&x, &weight, &bias, &residual},
                  [sx = Saved(x.value), sw = Saved(weight.value), sb = Saved(bias.value), saved_y, statistics, shape,
                   options, has_residual = residual.value.defined()](BackwardPass& pass) {
                    Context& c = pass.context();
                    const Tensor& in = sx.get(kOp);
                    const Tensor& scale = sw.get(kOp);
                    const auto size = static_cast<std::size_t>(shape.channels);
                    std::vector<double> sum_dy(size), sum_dy_x(size);
                    kernels::BatchNormBackward<T> backward;
                    backward.inputs = {shape,
                                       in.data<T>(),
                                       scale.data<T>(),
                                       sb.get(kOp).data<T>(),
                                       statistics->mean.data(),
                                       statistics->inverse_deviation.data(),
                                       options.relu};
                    if (options.relu && has_residual) backward.y = saved_y.get(kOp).data<T>();
                    backward.dy = pass.output().data<T>();
                    backward.batch_statistics = options.training;
                    kernels::cpu::batch_norm_reduce<T>(c.launch(), backward, sum_dy.data(), sum_dy_x.data());
                    backward.sum_dy = sum_dy.data();
                    backward.sum_dy_x = sum_dy_x.data();
                    const auto add_channels = [&](int input, auto value) {
                      if (!pass.wants(input)) return;
                      auto [gradient, accumulate] = pass.target(input, {shape.channels}, in.dtype());
                      T* to = gradient.template data<T>();
                      for (std::size_t i = 0; i < size; ++i)
                        to[i] = static_cast<T>((accumulate ? to[i] : 0) + value(i));
                    };
                    add_channels(1, [&](std::size_t i) { return statistics->inverse_deviation[i] * sum_dy_x[i]; });
                    add_channels(2, [&](std::size_t i) { return sum_dy[i]; });
                    GradTarget dx, dresidual;
                    if (pass.wants(0)) {
                      dx = pass.target(0, in.shape(), in.dtype());
                      backward.dx = dx.tensor.data<T>();
                      backward.accumulate_dx = dx.accumulate;
                    }
                    if (pass.wants(3)) {
                      dresidual = pass.target(3, in.shape(), in.dtype());
                      backward.dresidual = dresidual.tensor.data<T>();
                      backward.accumulate_dresidual = dresidual.accumulate;
                    }
                    if (backward.dx != nullptr || backward.dresidual != nullptr)
                      kernels::cpu::batch_norm_backward<T>(c.launch(), backward);
                  });
  });
}

}  // namespace bsg::ops
