#include "engine/ops/weighted_sum.hpp"

#include <algorithm>

#include "engine/core/dispatch.hpp"
#include "engine/ops/float_dispatch.hpp"

namespace bsg::ops {
namespace {

constexpr std::string_view kOp = "weighted_sum";

template <class T>
void total(const Context& context, const std::vector<Var>& scalars, const std::vector<double>& weights, T* sum) {
  std::vector<const T*> values;
  for (const Var& scalar : scalars) values.push_back(scalar.value.data<T>());
  dispatch_float<T>(
      kOp, context,
      [&] {
        for (std::size_t i = 0; i < values.size(); ++i) {
          const T term = static_cast<T>(weights[i] * static_cast<double>(*values[i]));
          *sum = i == 0 ? term : *sum + term;
        }
      },
      [&](const auto& device) {
        for (std::size_t i = 0; i < values.size(); i += kernels::device::kMostTerms) {
          const std::size_t terms = std::min<std::size_t>(values.size() - i, kernels::device::kMostTerms);
          device.weighted_sum(context.launch(), static_cast<int>(terms), values.data() + i, weights.data() + i, sum,
                              i > 0);
        }
      });
}

// target [1] (+)= weight * dy
template <class T>
void add_gradient(const Context& context, double weight, const T* dy, GradTarget target) {
  T* const to = target.tensor.data<T>();
  dispatch_float<T>(
      kOp, context,
      [&] {
        const T term = static_cast<T>(weight * static_cast<double>(*dy));
        *to = target.accumulate ? *to + term : term;
      },
      [&](const auto& device) { device.scale(context.launch(), 1, dy, weight, nullptr, to, target.accumulate); });
}

}  // namespace

Var weighted_sum(Context& context, const std::vector<Var>& scalars, const std::vector<double>& weights) {
  if (scalars.empty() || scalars.size() != weights.size())
    throw_error<ShapeError>("{}: {} scalars and {} weights", kOp, scalars.size(), weights.size());
  for (std::size_t i = 0; i < scalars.size(); ++i)
    if (scalars[i].value.numel() != 1 || scalars[i].dtype() != scalars[0].dtype())
      throw_error<ShapeError>("{}: term {} is {} {} beside term 0 {}", kOp, i, to_string(scalars[i].dtype()),
                              scalars[i].shape().str(), to_string(scalars[0].dtype()));
  return with_float_type(kOp, scalars[0].dtype(), [&](auto type) {
    using T = decltype(type);
    Tensor sum = Tensor::empty(context, {1}, scalars[0].dtype());
    total<T>(context, scalars, weights, sum.data<T>());
    std::vector<const Var*> inputs;
    std::vector<Shape> shapes;
    for (const Var& scalar : scalars) {
      inputs.push_back(&scalar);
      shapes.push_back(scalar.shape());
    }
    return record(kOp, sum, std::span<const Var* const>(inputs), [shapes, weights](BackwardPass& pass) {
      const Tensor& dy = pass.output();
      for (std::size_t i = 0; i < weights.size(); ++i)
        if (const int input = static_cast<int>(i); pass.wants(input))
          add_gradient<T>(pass.context(), weights[i], dy.data<T>(), pass.target(input, shapes[i], dy.dtype()));
    });
  });
}

}  // namespace bsg::ops
