#include "engine/autograd/tape.hpp"
#include "engine/core/dispatch.hpp"

namespace bsg {
namespace {

template <class T>
void add_into(const Context& context, Tensor& target, const Tensor& source) {
  const std::int64_t count = target.numel();
  dispatch<T>(
      "accumulate", context,
      [&] {
        using P = ParameterOf<T>;
        P* const to = target.data<P>();
        const P* const from = source.data<P>();
#pragma omp parallel for simd num_threads(context.threads()) schedule(static) if (count > 16384)
        for (std::int64_t i = 0; i < count; ++i) to[i] += from[i];
      },
      [&](const auto& device) {
        device.add(context.launch(), count, target.data<T>(), source.data<T>(), target.data<T>());
      });
}

}  // namespace

void accumulate(Context& context, Tensor& target, const Tensor& source) {
  if (target.shape() != source.shape() || target.dtype() != source.dtype())
    throw_error<ShapeError>("accumulate: {} {} onto {} {}", to_string(source.dtype()), source.shape().str(),
                            to_string(target.dtype()), target.shape().str());
  if (target.dtype() == DType::f32) {
    add_into<float>(context, target, source);
  } else if (target.dtype() == DType::bf16) {
    add_into<bfloat16>(context, target, source);
  } else {
    add_into<double>(context, target, source);
  }
  target.bump_version();
}

}  // namespace bsg
