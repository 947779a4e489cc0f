#include "engine/ops/binary_concrete_gate.hpp"

#include <cmath>

#include "engine/core/dispatch.hpp"
#include "engine/ops/float_dispatch.hpp"
#include "kernels/random/philox.hpp"

namespace bsg::ops {

Var binary_concrete_gate(Context& context, const Var& logits, const BinaryConcreteOptions& options) {
  static constexpr std::string_view kOp = "binary_concrete_gate";
  if (!(options.temperature > 0) || !(options.noise >= 0))
    throw_error<ShapeError>("{}: temperature {}, noise {}; expected more than 0, at least 0", kOp, options.temperature,
                            options.noise);
  return with_float_type(kOp, logits.dtype(), [&](auto type) {
    using T = decltype(type);
    const std::int64_t count = logits.value.numel();
    const bool noisy = options.training && options.noise > 0;
    const std::uint64_t first = noisy ? context.random().reserve(static_cast<std::uint64_t>(count)) : 0;
    const std::uint64_t seed = context.random().seed(), stream = context.random().stream();
    Tensor gate = Tensor::empty(context, logits.shape(), logits.dtype());
    Tensor slope = Tensor::empty(context, logits.shape(), logits.dtype());
    dispatch_float<T>(
        kOp, context,
        [&] {
          const T* z = logits.value.data<T>();
          T* on = gate.data<T>();
          T* gradient = slope.data<T>();
#pragma omp parallel for num_threads(context.threads()) schedule(static)
          for (std::int64_t i = 0; i < count; ++i) {
            double y = z[i];
            if (noisy) {
              const double u =
                  kernels::uniform_open(kernels::philox_bits(seed, stream, first + static_cast<std::uint64_t>(i)));
              y += options.noise * (std::log(u) - std::log1p(-u));
            }
            y /= options.temperature;
            const double s = 1 / (1 + std::exp(-y));
            on[i] = y > 0 ? T{1} : T{0};
            gradient[i] = static_cast<T>(s * (1 - s) / options.temperature);
          }
        },
        [&](const auto& device) {
          // Of elements, whatever the shape: nobody asks for lists here.
          const kernels::device::BinaryConcrete distribution{.temperature = options.temperature,
                                                             .noise = noisy ? options.noise : 0,
                                                             .seed = seed,
                                                             .stream = stream,
                                                             .first = first};
          device.binary_concrete(context.launch(), 1, count, logits.value.data<T>(), distribution, gate.data<T>(),
                                 slope.data<T>(), nullptr);
        });
    return record(kOp, gate, {&logits}, [saved = Saved(slope)](BackwardPass& pass) {
      const Context& c = pass.context();
      const Tensor& factor = saved.get(kOp);
      GradTarget target = pass.target(0, factor.shape(), factor.dtype());
      const T* dy = pass.output().data<T>();
      T* to = target.tensor.template data<T>();
      dispatch_float<T>(
          kOp, c,
          [&] {
            for (std::int64_t i = 0; i < factor.numel(); ++i)
              to[i] = (target.accumulate ? to[i] : T{0}) + dy[i] * factor.data<T>()[i];
          },
          [&](const auto& device) {
            device.multiply(c.launch(), factor.numel(), dy, factor.data<T>(), to, target.accumulate);
          });
    });
  });
}

}  // namespace bsg::ops
