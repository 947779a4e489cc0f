#include "kernels/common/vectors_device.hpp"
#include "kernels/sgd/sgd_device.hpp"
#include "kernels/simt/simt.hpp"

namespace bsg::kernels::device {
namespace {

struct Sgd {
  float learning_rate, weight_decay, momentum;
  bool nesterov;
  const float* gradient;
  float* value;
  float* velocity;
  simt::bfloat16* copy;

  template <int N>
  __device__ void at(std::int64_t i) const {
    const auto g = load_floats<N>(gradient + i);
    auto v = load_floats<N>(velocity + i), x = load_floats<N>(value + i);
    for (int k = 0; k < N; ++k) {
      const float slope = g.v[k] + weight_decay * x.v[k];
      v.v[k] = momentum * v.v[k] + slope;
      x.v[k] -= learning_rate * (nesterov ? slope + momentum * v.v[k] : v.v[k]);
    }
    store_floats(velocity + i, v);
    store_floats(value + i, x);
    if (copy != nullptr) store_floats(copy + i, x);
  }
};

}  // namespace

void sgd_step(const Launch& launch, std::int64_t count, const SgdStep& step, const float* gradient, float* value,
              float* velocity, simt::bfloat16* copy) {
  launch_each_element<kVector<float>>(
      launch.stream, count, aligned(gradient) && aligned(value) && aligned(velocity) && aligned(copy),
      Sgd{static_cast<float>(step.learning_rate), static_cast<float>(step.weight_decay),
          static_cast<float>(step.momentum), step.nesterov, gradient, value, velocity, copy});
}

}  // namespace bsg::kernels::device
