#include "engine/autograd/tape.hpp"
#include "engine/core/error.hpp"
#include "kernels/backend/backend.hpp"

namespace bsg {
namespace {

template <class T>
void add_into(T* target, const T* source, std::int64_t count, int threads) {
#pragma omp parallel for simd num_threads(threads) schedule(static) if (count > 16384)
  for (std::int64_t i = 0; i < count; ++i) target[i] += source[i];
}

}  // namespace

void accumulate(Context& context, Tensor& target, const Tensor& source) {
  if (target.shape() != source.shape() || target.dtype() != source.dtype())
    throw_error<ShapeError>("accumulate: {} {} onto {} {}", to_string(source.dtype()), source.shape().str(),
                            to_string(target.dtype()), target.shape().str());
  if (!context.on_cpu()) {
    if (target.dtype() != DType::f32)
      throw_error<ShapeError>("accumulate: {} values, device {} computes f32", to_string(target.dtype()),
                              to_string(context.device()));
    float* const to = target.data<float>();
    context.backend().add(context.launch(), target.numel(), to, source.data<float>(), to);
  } else if (target.dtype() == DType::f32) {
    add_into(target.data<float>(), source.data<float>(), target.numel(), context.threads());
  } else {
    add_into(target.data<double>(), source.data<double>(), target.numel(), context.threads());
  }
  target.bump_version();
}

}  // namespace bsg
