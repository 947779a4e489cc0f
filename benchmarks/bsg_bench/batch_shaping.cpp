// The batch-shaping loss and its gradient: a sort, a distribution function and a density for each value.
#include "kernels/batch_shaping/batch_shaping.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "benchmarks/bsg_bench/suites.hpp"
#include "engine/core/error.hpp"
#include "engine/core/tensor.hpp"
#include "kernels/backend/backend.hpp"

namespace bsg::bench {
namespace {

struct Size {
  std::int64_t batch, gates;
};

// The loss by its definition, in double.
double reference(const Size& size, const std::vector<float>& values, const kernels::BetaDistribution& prior) {
  double loss = 0;
  std::vector<double> column(static_cast<std::size_t>(size.batch));
  for (std::int64_t g = 0; g < size.gates; ++g) {
    for (std::int64_t n = 0; n < size.batch; ++n)
      column[static_cast<std::size_t>(n)] = values[static_cast<std::size_t>(n * size.gates + g)];
    std::sort(column.begin(), column.end());
    for (std::size_t i = 0; i < column.size(); ++i) {
      const double expected = static_cast<double>(i + 1) / static_cast<double>(size.batch + 1);
      loss += std::pow(expected - prior.cdf(column[i], 1 - column[i]), 2);
    }
  }
  return loss;
}

}  // namespace

void run_batch_shaping(Bench& bench) {
  if (!bench.in_f32("batch_shaping")) return;
  const kernels::BetaDistribution prior(0.6, 0.4);
  std::vector<Size> sizes = {{128, 64}, {256, 64}, {256, 512}, {1024, 512}, {4096, 512}};
  if (bench.options().quick) sizes = {{64, 16}, {256, 8}};
  Context& context = bench.context();
  for (const Size& size : sizes) {
    const Group group{"batch_shaping", fmt::format("{} samples x {} gates", size.batch, size.gates), size.batch};
    if (!bench.wants(group)) continue;
    Generator random = bench.random(group.name);
    std::vector<float> host(static_cast<std::size_t>(size.batch * size.gates));
    for (float& value : host) value = static_cast<float>(random.uniform());
    const Tensor values = Tensor::from(context, {size.batch, size.gates}, host);
    Tensor gradient = Tensor::empty(context, values.shape());
    Tensor loss = Tensor::empty(context, {1}), losses = Tensor::empty(context, {size.gates});
    Tensor ticket = Tensor::zeros(context, {1}, DType::i32);
    const kernels::BatchShapingArguments arguments{.batch = size.batch, .gates = size.gates, .prior = &prior};
    double found = 0;
    const auto compute = [&](int times) {
      for (int time = 0; time < times; ++time)
        if (bench.on_cpu()) {
          found = kernels::cpu::batch_shaping<float>(context.launch(), arguments, values.data<float>(),
                                                     gradient.data<float>());
        } else {
          context.backend().batch_shaping(context.launch(), arguments, values.data<float>(), gradient.data<float>(),
                                          loss.data<float>(),
                                          {losses.data<float>(), reinterpret_cast<unsigned*>(ticket.raw())});
        }
    };
    compute(1);
    if (!bench.on_cpu()) found = loss.item();
    const double expected = reference(size, host, prior);
    if (!(std::abs(found - expected) <= 1e-4 * expected))
      throw_error<NumericError>("batch_shaping, {}: the loss is {}, the definition gives {}", group.name, found,
                                expected);
    bench.measure(group, {{"-", 0, compute}});
  }
}

}  // namespace bsg::bench
