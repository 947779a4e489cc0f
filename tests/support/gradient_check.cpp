#include "tests/support/gradient_check.hpp"

#include <algorithm>
#include <cmath>

#include "tests/support/catch.hpp"

namespace bsg::test {
namespace {

double inner_product(const Tensor& a, const Tensor& b) {
  double sum = 0;
  for (std::int64_t i = 0; i < a.numel(); ++i) sum += a.data<double>()[i] * b.data<double>()[i];
  return sum;
}

}  // namespace

Tensor random_tensor(Context& context, const Shape& shape, std::uint64_t seed, DType dtype, double scale) {
  Tensor tensor = Tensor::empty(context, shape, DType::f64);
  Generator random(seed, 0x7465737473);
  for (double& value : tensor.span<double>()) value = scale * random.normal();
  return dtype == DType::f64 ? tensor : tensor.cast(context, dtype);
}

void check_gradients(const std::string& op, const std::function<Var(Context&, const std::vector<Var>&)>& f,
                     const std::vector<Tensor>& inputs, Context& context, const GradientCheckOptions& options) {
  const auto wanted = [&](std::size_t i) {
    return inputs[i].dtype() == DType::f64 && (options.differentiable.empty() || options.differentiable[i]);
  };
  const auto evaluate = [&](const std::vector<Tensor>& at) {
    std::vector<Var> constants(at.begin(), at.end());
    return f(context, constants).value;
  };
  const Tensor output = evaluate(inputs);
  REQUIRE(output.dtype() == DType::f64);
  const Tensor weights = random_tensor(context, output.shape(), 99);

  // Once through the tape, with every gradient also collected twice over: two uses of f share the inputs.
  for (const int uses : {1, 2}) {
    Tape tape(context);
    std::vector<Var> vars;
    for (std::size_t i = 0; i < inputs.size(); ++i) vars.push_back(wanted(i) ? tape.input(inputs[i]) : Var(inputs[i]));
    std::vector<Tensor> analytic(inputs.size());
    {
      // The harness adds the outputs by hand, so that it depends on no op.
      std::vector<Var> outputs;
      for (int use = 0; use < uses; ++use) outputs.push_back(f(context, vars));
      std::initializer_list<const Var*> one = {&outputs.front()};
      std::initializer_list<const Var*> two = {&outputs.front(), &outputs.back()};
      Tensor total = Tensor::full(context, {1}, 0.0, DType::f64);
      Var loss = record("inner_product", total, uses == 1 ? one : two, [&weights, uses](BackwardPass& pass) {
        for (int use = 0; use < uses; ++use) pass.give(use, weights);
      });
      INFO(op << ": the output is not tracked");
      REQUIRE(loss.tracked());
      tape.backward(loss);
    }
    for (std::size_t i = 0; i < inputs.size(); ++i)
      if (wanted(i)) analytic[i] = tape.gradient(vars[i]);

    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (!wanted(i)) continue;
      INFO(op << ": input " << i << " got no gradient");
      REQUIRE(analytic[i].defined());
      REQUIRE(analytic[i].shape() == inputs[i].shape());
      const std::int64_t count = inputs[i].numel();
      const std::int64_t probes = std::min<std::int64_t>(count, options.max_elements);
      for (std::int64_t probe = 0; probe < probes; ++probe) {
        const std::int64_t element = probe * count / probes;
        std::vector<Tensor> moved = inputs;
        moved[i] = inputs[i].clone(context);
        double& value = moved[i].data<double>()[element];
        const double center = value;
        value = center + options.step;
        const double above = inner_product(evaluate(moved), weights);
        value = center - options.step;
        const double below = inner_product(evaluate(moved), weights);
        const double numeric = uses * (above - below) / (2 * options.step);
        const double got = analytic[i].data<double>()[element];
        INFO(op << ": input " << i << " element " << element << " used " << uses << " times: analytic " << got
                << ", numeric " << numeric);
        REQUIRE(std::abs(got - numeric) <= options.tolerance * std::max(1.0, std::abs(numeric)));
      }
    }
  }
}

}  // namespace bsg::test
