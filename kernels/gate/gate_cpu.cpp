#include "kernels/gate/gate.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gate/gate_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/common/vectors-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace bsg::kernels::cpu {
namespace HWY_NAMESPACE {
namespace {

void affine_of_target(const Affine& layer, const float* x, bool relu, float* y) {
  each_vector<float>(layer.outputs, [&](auto d, std::int64_t o) HWY_ATTR {
    auto sum = hn::LoadU(d, layer.bias + o);
    const float* weight = layer.weight + o;
    for (std::int64_t i = 0; i < layer.inputs; ++i, weight += layer.outputs)
      sum = hn::MulAdd(hn::Set(d, x[i]), hn::LoadU(d, weight), sum);
    // In this order x86 returns the sum when it is NaN.
    hn::StoreU(relu ? hn::Max(hn::Zero(d), sum) : sum, d, y + o);
  });
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bsg::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bsg::kernels::cpu {
namespace {
HWY_EXPORT(affine_of_target);
}  // namespace

void affine(const Affine& layer, const float* x, bool relu, float* y) {
  HWY_DYNAMIC_DISPATCH(affine_of_target)(layer, x, relu, y);
}

std::int64_t list_open(const float* logits, std::int64_t count, std::int32_t* open, float* mask) {
  std::int64_t on = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const bool is_on = logits[i] > 0;
    open[on] = static_cast<std::int32_t>(i);
    on += is_on ? 1 : 0;
    mask[i] = is_on ? 1.0F : 0.0F;
  }
  return on;
}

}  // namespace bsg::kernels::cpu
#endif
