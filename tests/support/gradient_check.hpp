// One harness for every differentiable op: the analytic gradient in double precision against central differences.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/autograd/tape.hpp"

namespace bsg::test {

struct GradientCheckOptions {
  double step = 1e-5;                // of the central difference
  double tolerance = 1e-6;           // on |analytic - numeric| / max(1, |numeric|)
  std::vector<bool> differentiable;  // per input; empty: all f64 inputs
  int max_elements = 200;            // of each input that are probed, spread evenly
};

// f maps the inputs to an output of any shape; the checked scalar is the output's inner product with fixed random
// weights. Fails the running test case with the input's index, the element and both values. Also checks that
// accumulation works: x used twice gives twice the gradient.
void check_gradients(const std::string& op, const std::function<Var(Context&, const std::vector<Var>&)>& f,
                     const std::vector<Tensor>& inputs, Context& context, const GradientCheckOptions& options = {});

// f64 tensor of independent normal values, the same for the same seed.
Tensor random_tensor(Context& context, const Shape& shape, std::uint64_t seed, DType dtype = DType::f64,
                     double scale = 1.0);

}  // namespace bsg::test
