#include "engine/ops/option_a_shortcut.hpp"

#include "engine/core/dispatch.hpp"
#include "engine/ops/float_dispatch.hpp"

namespace bsg::ops {
namespace {

// Calls visit(index in x, index in y) for every pixel that the shortcut keeps, threads over samples.
template <class Visit>
void each_kept_pixel(Context& context, const Shape& x, const Shape& y, int stride, const Visit& visit) {
  const std::int64_t before = (y[1] - x[1]) / 2;
#pragma omp parallel for num_threads(context.threads()) schedule(static)
  for (std::int64_t n = 0; n < x[0]; ++n)
    for (std::int64_t c = 0; c < x[1]; ++c)
      for (std::int64_t i = 0; i < y[2]; ++i)
        for (std::int64_t j = 0; j < y[3]; ++j)
          visit(((n * x[1] + c) * x[2] + i * stride) * x[3] + j * stride,
                ((n * y[1] + before + c) * y[2] + i) * y[3] + j);
}

constexpr std::string_view kOp = "option_a_shortcut";

}  // namespace

Var option_a_shortcut(Context& context, const Var& x, int out_channels, int stride) {
  if (x.shape().rank() != 4 || out_channels < x.shape()[1] || stride < 1)
    throw_error<ShapeError>("{}: x {}, {} output channels, stride {}; expected [N, C, H, W], at least C, at least 1",
                            kOp, x.shape().str(), out_channels, stride);
  return with_activation_type(kOp, x.dtype(), [&](auto type) {
    using T = decltype(type);
    using P = ParameterOf<T>;
    const Shape shape{x.shape()[0], out_channels, (x.shape()[2] + stride - 1) / stride,
                      (x.shape()[3] + stride - 1) / stride};
    const kernels::device::OptionAShape device_shape{x.shape()[0], x.shape()[2], x.shape()[3],
                                                     x.shape()[1], out_channels, stride};
    Tensor y = Tensor::empty(context, shape, x.dtype());
    dispatch<T>(
        kOp, context,
        [&] {
          y.fill(0);
          const P* from = x.value.data<P>();
          P* to = y.data<P>();
          each_kept_pixel(context, x.shape(), shape, stride,
                          [&](std::int64_t source, std::int64_t target) { to[target] = from[source]; });
        },
        [&](const auto& device) {
          device.option_a_shortcut(context.launch(), device_shape, x.value.data<T>(), y.data<T>());
        });
    return record(kOp, y, {&x}, [in = x.shape(), shape, device_shape, stride](BackwardPass& pass) {
      Context& c = pass.context();
      GradTarget dx = pass.target(0, in, pass.output().dtype());
      dispatch<T>(
          kOp, c,
          [&] {
            if (!dx.accumulate) dx.tensor.fill(0);
            const P* dy = pass.output().data<P>();
            P* gradient = dx.tensor.template data<P>();
            each_kept_pixel(c, in, shape, stride,
                            [&](std::int64_t source, std::int64_t target) { gradient[source] += dy[target]; });
          },
          [&](const auto& device) {
            device.option_a_shortcut_backward(c.launch(), device_shape, pass.output().data<T>(),
                                              dx.tensor.template data<T>(), dx.accumulate);
          });
    });
  });
}

}  // namespace bsg::ops
