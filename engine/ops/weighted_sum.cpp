#include "engine/ops/weighted_sum.hpp"

#include "engine/ops/add.hpp"
#include "engine/ops/float_dispatch.hpp"

namespace bsg::ops {
namespace {

Var scaled(Context& context, const Var& scalar, double weight) {
  Tensor value = Tensor::full(context, {1}, weight * scalar.value.item(), scalar.dtype());
  return record("weighted_sum", value, {&scalar}, [shape = scalar.shape(), weight](BackwardPass& pass) {
    const double gradient = weight * pass.output().item();
    pass.give(0, Tensor::full(pass.context(), shape, gradient, pass.output().dtype()));
  });
}

}  // namespace

Var weighted_sum(Context& context, const std::vector<Var>& scalars, const std::vector<double>& weights) {
  if (scalars.empty() || scalars.size() != weights.size())
    throw_error<ShapeError>("weighted_sum: {} scalars and {} weights", scalars.size(), weights.size());
  Var total;
  for (std::size_t i = 0; i < scalars.size(); ++i) {
    if (scalars[i].value.numel() != 1)
      throw_error<ShapeError>("weighted_sum: term {} has shape {}", i, scalars[i].shape().str());
    with_float_type("weighted_sum", scalars[i].dtype(), [](auto) {});
    const Var term = scaled(context, scalars[i], weights[i]);
    total = i == 0 ? term : add(context, total, term);
  }
  return total;
}

}  // namespace bsg::ops
