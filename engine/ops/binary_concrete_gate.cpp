#include "engine/ops/binary_concrete_gate.hpp"

#include <cmath>

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
    return record(kOp, gate, {&logits}, [saved = Saved(slope)](BackwardPass& pass) {
      const Tensor& factor = saved.get(kOp);
      auto [target, accumulate] = pass.target(0, factor.shape(), factor.dtype());
      T* to = target.template data<T>();
      for (std::int64_t i = 0; i < factor.numel(); ++i)
        to[i] = (accumulate ? to[i] : T{0}) + pass.output().data<T>()[i] * factor.data<T>()[i];
    });
  });
}

}  // namespace bsg::ops
