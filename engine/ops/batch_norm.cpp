#include "engine/ops/batch_norm.hpp"

#include <cmath>
#include <memory>
#include <vector>

#include "engine/core/dispatch.hpp"
#include "engine/ops/float_dispatch.hpp"
#include "engine/ops/tickets.hpp"
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
  const DType type = parameter_type(x.dtype());
  const auto fits = [&](const Tensor& t) { return t.shape() == per_channel && t.dtype() == type; };
  if (!fits(weight.value) || !fits(bias.value) || !fits(mean) || !fits(variance))
    throw_error<ShapeError>("{}: x {} {} with weight {}, bias {}, running_mean {}, running_var {}; each must be {} {}",
                            kOp, to_string(x.dtype()), x.shape().str(), weight.shape().str(), bias.shape().str(),
                            mean.shape().str(), variance.shape().str(), to_string(type), per_channel.str());
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

template <class T>
Var on_cpu(Context& context, const Var& x, const Var& weight, const Var& bias, Tensor& running_mean,
           Tensor& running_var, const BatchNormOptions& options, const Var& residual) {
  const std::int64_t channels = x.shape()[1];
  const kernels::BatchNormShape shape{x.shape()[0], channels, x.shape().rank() == 4 ? x.shape()[2] * x.shape()[3] : 1};
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
                    for (std::size_t i = 0; i < size; ++i) to[i] = static_cast<T>((accumulate ? to[i] : 0) + value(i));
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
}

class DeviceScratch {
 public:
  DeviceScratch(Context& context, const kernels::device::BatchNormRows& rows)
      : partials_(Tensor::empty(context, {context.backend().batch_norm_partials(rows)}, DType::f64)),
        tickets_(context, context.backend().batch_norm_tickets(rows)) {}
  kernels::device::BatchNormScratch view() { return {partials_.data<double>(), tickets_.data()}; }

 private:
  Tensor partials_;
  Tickets tickets_;
};

// The same on another device than the CPU, where statistics stay.
template <class T>
Var on_device(Context& context, const Var& x, const Var& weight, const Var& bias, Tensor& running_mean,
              Tensor& running_var, const BatchNormOptions& options, const Var& residual) {
  const kernels::Backend& device = context.backend();
  const kernels::TypedKernels<T>& typed = device.typed<T>();
  const std::int64_t channels = x.shape()[1];
  const kernels::device::BatchNormRows rows{channels > 0 ? x.value.numel() / channels : 0, channels};
  Tensor mean = Tensor::empty(context, {channels}, DType::f64);
  Tensor inverse_deviation = Tensor::empty(context, {channels}, DType::f64);
  const kernels::device::BatchNormStatistics statistics{.mean = mean.data<double>(),
                                                        .inverse_deviation = inverse_deviation.data<double>(),
                                                        .epsilon = options.epsilon,
                                                        .running_mean = running_mean.data<float>(),
                                                        .running_var = running_var.data<float>(),
                                                        .momentum = options.momentum};
  if (options.training) {
    DeviceScratch scratch(context, rows);
    typed.batch_norm_statistics(context.launch(), rows, x.value.data<T>(), statistics, scratch.view());
    running_mean.bump_version();
    running_var.bump_version();
  } else {
    device.batch_norm_running(context.launch(), channels, statistics);
  }
  const auto inputs_of = [rows, options](const Tensor& in, const Tensor& scale, const Tensor& shift,
                                         const Tensor& centre, const Tensor& inverse) {
    return kernels::device::DeviceBatchNormInputs<T>{rows,
                                                     in.data<T>(),
                                                     scale.data<float>(),
                                                     shift.data<float>(),
                                                     centre.data<double>(),
                                                     inverse.data<double>(),
                                                     options.relu};
  };
  Tensor y = Tensor::empty(context, x.shape(), x.dtype());
  typed.batch_norm_forward(context.launch(), inputs_of(x.value, weight.value, bias.value, mean, inverse_deviation),
                           residual.value.defined() ? residual.value.data<T>() : nullptr, y.data<T>());
  // With a residual the ReLU's mask cannot be computed again from x alone.
  const Saved saved_y = options.relu && residual.value.defined() ? Saved(y) : Saved();
  return record(
      kOp, y, {&x, &weight, &bias, &residual},
      [sx = Saved(x.value), sw = Saved(weight.value), sb = Saved(bias.value), saved_y, mean, inverse_deviation,
       inputs_of, rows, channels, options, has_residual = residual.value.defined()](BackwardPass& pass) {
        Context& c = pass.context();
        const Tensor& in = sx.get(kOp);
        Tensor sums = Tensor::empty(c, {2, channels}, DType::f64);
        kernels::device::DeviceBatchNormBackward<T> backward;
        backward.inputs = inputs_of(in, sw.get(kOp), sb.get(kOp), mean, inverse_deviation);
        if (options.relu && has_residual) backward.y = saved_y.get(kOp).data<T>();
        backward.dy = pass.output().data<T>();
        backward.batch_statistics = options.training;
        backward.sum_dy = sums.data<double>();
        backward.sum_dy_x = sums.data<double>() + channels;
        const auto aim = [&]<class U>(int input, const Shape& shape, U*& at, bool& accumulate) {
          if (!pass.wants(input)) return;
          GradTarget target = pass.target(input, shape, DTypeOf<U>::value);
          at = target.tensor.template data<U>();
          accumulate = target.accumulate;
        };
        aim(0, in.shape(), backward.dx, backward.accumulate_dx);
        aim(1, {channels}, backward.dweight, backward.accumulate_dweight);
        aim(2, {channels}, backward.dbias, backward.accumulate_dbias);
        aim(3, in.shape(), backward.dresidual, backward.accumulate_dresidual);
        DeviceScratch scratch(c, rows);
        const kernels::TypedKernels<T>& there = c.backend().typed<T>();
        there.batch_norm_reduce(c.launch(), backward, scratch.view());
        if (backward.dx != nullptr || backward.dresidual != nullptr) there.batch_norm_backward(c.launch(), backward);
      });
}

}  // namespace

Var batch_norm(Context& context, const Var& x, const Var& weight, const Var& bias, Tensor& running_mean,
               Tensor& running_var, const BatchNormOptions& options, const Var& residual) {
  check(x, weight, bias, running_mean, running_var, options, residual);
  Var y;
  with_activation_type(kOp, x.dtype(), [&](auto type) {
    using T = decltype(type);
    dispatch<T>(
        kOp, context,
        [&] { y = on_cpu<ParameterOf<T>>(context, x, weight, bias, running_mean, running_var, options, residual); },
        [&](const auto&) { y = on_device<T>(context, x, weight, bias, running_mean, running_var, options, residual); });
  });
  return y;
}

}  // namespace bsg::ops
