// The inference plan's convolutions on the CPU, one layer at a time, run as the plan runs them: each thread has the
// planes of one sample, which stay in its cache from sample to sample; samples differ in their gates alone. Splitting
// planes into phases for a strided convolution is a step of its own in the plan and not part of the time.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>

#include <fmt/format.h>
#include <omp.h>

#include "benchmarks/bsg_bench/conv_cases.hpp"
#include "benchmarks/bsg_bench/conv_reference.hpp"
#include "benchmarks/bsg_bench/suites.hpp"
#include "engine/core/error.hpp"
#include "engine/core/tensor.hpp"
#include "kernels/gated_conv/gated_conv.hpp"

namespace bsg::bench {
namespace {

using kernels::PlaneLayout;
namespace cpu = kernels::cpu;

// As the tests, which measure the kernels' errors, bound them with room to spare.
constexpr double kTolerance = 1e-5;

// A layer with random values. All add a bias and end with a ReLU; with a residual, as at the end of a block, the sums
// for the next gate are left too.
class Problem {
 public:
  Problem(Context& context, const ConvLayer& layer, bool residual, cpu::WeightOrder order, Generator random)
      : context_(context),
        layer_(layer),
        with_residual_(residual),
        x_layout_{layer.inputs, layer.size, layer.size, layer.padding(), layer.stride},
        y_layout_{layer.outputs, layer.out_size(), layer.out_size(), layer.y_frame, 1},
        residual_layout_{y_layout_, 1},
        geometry_(x_layout_, {layer.kernel, layer.kernel, layer.stride, layer.padding(), 1}, y_layout_,
                  with_residual_ ? &residual_layout_ : nullptr, order),
        x_(normal_values(layer.inputs * layer.size * layer.size, 1, random)),
        weight_(normal_values(layer.outputs * layer.inputs * layer.kernel * layer.kernel,
                              1 / std::sqrt(static_cast<double>(layer.inputs * layer.kernel * layer.kernel)), random)),
        bias_(normal_values(layer.outputs, 1, random)),
        laid_out_(cpu::lay_out_weights(geometry_, weight_)),
        all_(static_cast<std::size_t>(std::max(layer.inputs, layer.outputs))) {
    std::iota(all_.begin(), all_.end(), 0);
    const std::int64_t threads = context.threads();
    x_planes_ = Tensor::zeros(context, {threads, x_layout_.size()});
    y_planes_ = Tensor::zeros(context, {threads, y_layout_.size()});
    sums_ = Tensor::empty(context, {threads, layer.outputs * PlaneLayout::kSlack});
    scratch_ = Tensor::empty(context, {threads, geometry_.scratch()});
    for (int thread = 0; thread < context.threads(); ++thread) place(x_layout_, x_, x_planes(thread));
    if (with_residual_) {
      residual_ = normal_values(layer.outputs * layer.out_size() * layer.out_size(), 1, random);
      residual_planes_ = Tensor::zeros(context, {threads, y_layout_.size()});
      for (int thread = 0; thread < context.threads(); ++thread)
        place(y_layout_, residual_, residual_planes_.data<float>() + thread * y_layout_.size());
    }
  }

  // Sample n's lists; null for all channels.
  struct Lists {
    const Gates *inputs = nullptr, *outputs = nullptr;
  };

  double active_macs(std::int64_t batch, const Lists& lists) const {
    double macs = 0;
    for (std::int64_t n = 0; n < batch; ++n)
      macs += layer_.macs(static_cast<double>(list(lists.inputs, n, layer_.inputs).size()),
                          static_cast<double>(list(lists.outputs, n, layer_.outputs).size()));
    return macs;
  }

  // Sample n on one thread, against the definition; inputs that are off hold NaN meanwhile, and outputs that are off
  // must stay as they were.
  void check(const std::string& what, const Lists& lists, std::int64_t n, const Generator& random) {
    const auto inputs = list(lists.inputs, n, layer_.inputs), outputs = list(lists.outputs, n, layer_.outputs);
    const std::vector<std::int32_t> in(inputs.begin(), inputs.end()), out(outputs.begin(), outputs.end());
    std::vector<float> x = x_;
    const std::size_t plane = static_cast<std::size_t>(layer_.size * layer_.size);
    for (std::int64_t c = 0; c < layer_.inputs; ++c)
      if (!std::binary_search(in.begin(), in.end(), static_cast<std::int32_t>(c)))
        std::fill_n(x.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(c) * plane), plane,
                    std::numeric_limits<float>::quiet_NaN());
    place(x_layout_, x, x_planes(0));
    constexpr float kUntouched = -7;  // no output of a ReLU
    place(y_layout_,
          std::vector<float>(static_cast<std::size_t>(layer_.outputs * layer_.out_size() * layer_.out_size()),
                             kUntouched),
          y_planes(0));
    convolve(0, inputs, outputs);
    place(x_layout_, x_, x_planes(0));
    const auto y = [&](std::int64_t k, std::int64_t i, std::int64_t j) {
      return y_planes(0)[k * y_layout_.plane() + y_layout_.offset(i, j)];
    };
    check_conv(what, {layer_, x_, weight_, bias_, with_residual_ ? &residual_ : nullptr}, in, out, kTolerance, random,
               y);
    for (std::int64_t k = 0; k < layer_.outputs; ++k)
      if (!std::binary_search(out.begin(), out.end(), static_cast<std::int32_t>(k)) && y(k, 0, 0) != kUntouched)
        throw_error<NumericError>("{}: output channel {} is off, and was written", what, k);
  }

  // The batch, so many times. Samples to whichever thread is free; where there are fewer, all threads share each.
  void run(std::int64_t batch, const Lists& lists, int times) {
    const int threads = context_.threads();
    if (batch >= threads) {
      for (int time = 0; time < times; ++time) {
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
        for (std::int64_t n = 0; n < batch; ++n)
          convolve(omp_get_thread_num(), list(lists.inputs, n, layer_.inputs), list(lists.outputs, n, layer_.outputs));
      }
      return;
    }
#pragma omp parallel num_threads(threads)
    {
      const auto part = static_cast<std::size_t>(omp_get_thread_num());
      const auto parts = static_cast<std::size_t>(omp_get_num_threads());
      for (int time = 0; time < times; ++time)
        for (std::int64_t n = 0; n < batch; ++n) {
          const auto outputs = list(lists.outputs, n, layer_.outputs);
          const std::size_t begin = outputs.size() * part / parts, end = outputs.size() * (part + 1) / parts;
          convolve(0, list(lists.inputs, n, layer_.inputs), outputs.subspan(begin, end - begin),
                   static_cast<int>(part));
#pragma omp barrier
        }
    }
  }

 private:
  std::span<const std::int32_t> list(const Gates* gates, std::int64_t n, std::int64_t channels) const {
    if (gates == nullptr) return std::span(all_).first(static_cast<std::size_t>(channels));
    return gates->open[static_cast<std::size_t>(n)];
  }
  float* x_planes(int thread) { return x_planes_.data<float>() + thread * x_layout_.size(); }
  float* y_planes(int thread) { return y_planes_.data<float>() + thread * y_layout_.size(); }

  static void place(const PlaneLayout& layout, const std::vector<float>& values, float* planes) {
    auto value = values.begin();
    for (std::int64_t c = 0; c < layout.channels; ++c)
      for (std::int64_t i = 0; i < layout.height; ++i)
        for (std::int64_t j = 0; j < layout.width; ++j) planes[c * layout.plane() + layout.offset(i, j)] = *value++;
  }

  void convolve(int sample, std::span<const std::int32_t> inputs, std::span<const std::int32_t> outputs) {
    convolve(sample, inputs, outputs, sample);
  }
  // On the planes of `sample`, with the scratch memory of `thread`.
  void convolve(int sample, std::span<const std::int32_t> inputs, std::span<const std::int32_t> outputs, int thread) {
    cpu::GatedConv conv{.geometry = &geometry_,
                        .x = x_planes(sample),
                        .weight = laid_out_.data(),
                        .bias = bias_.data(),
                        .inputs = inputs.data(),
                        .input_count = static_cast<std::int64_t>(inputs.size()),
                        .outputs = outputs.data(),
                        .output_count = static_cast<std::int64_t>(outputs.size()),
                        .residual_channels = with_residual_ ? layer_.outputs : 0,
                        .relu = true,
                        .y = y_planes(sample),
                        .scratch = scratch_.data<float>() + thread * geometry_.scratch()};
    if (with_residual_) {
      conv.residual = residual_planes_.data<float>() + sample * y_layout_.size();
      conv.sums = sums_.data<float>() + sample * layer_.outputs * PlaneLayout::kSlack;
    }
    cpu::gated_conv(conv);
  }

  Context& context_;
  const ConvLayer layer_;
  const bool with_residual_;
  const PlaneLayout x_layout_, y_layout_;
  const kernels::ResidualLayout residual_layout_;
  const cpu::ConvGeometry geometry_;
  const std::vector<float> x_, weight_, bias_;
  const std::vector<float> laid_out_;
  std::vector<std::int32_t> all_;
  std::vector<float> residual_;
  Tensor x_planes_, y_planes_, residual_planes_, sums_, scratch_;  // [threads, ...]
};

void measure(Bench& bench, const ConvCase& c) {
  const std::int64_t batch = c.group.batch;
  // As the plan has it.
  const auto order = c.gated_inputs && !c.gated_outputs ? cpu::WeightOrder::inputs : cpu::WeightOrder::outputs;
  Problem problem(bench.context(), c.layer, c.with_residual(), order, c.random);
  std::vector<Execution> executions;
  const auto add = [&](const std::string& gates, const Problem::Lists& lists) {
    problem.check(c.group.name + ", " + gates, lists, batch - 1, c.random.fork(2));
    executions.push_back({gates, problem.active_macs(batch, lists),
                          [&problem, batch, lists](int times) { problem.run(batch, lists, times); }});
  };
  add("dense", {});
  for (const ConvGates& gates : c.gates) add(gates.name, {c.inputs(gates), c.outputs(gates)});
  bench.measure(c.group, executions);
}

}  // namespace

void run_gated_conv_on_cpu(Bench& bench) {
  std::vector<ConvLayer> layers = conv_layers();
  std::vector<std::int64_t> batches = {1, 16, 128};
  if (bench.options().quick) {
    layers = {{"resnet20", 3, 16, 16, 32}, {"resnet20", 3, 32, 64, 16, 2}, {"resnet50", 1, 64, 32, 7, 1, 0}};
    batches = {1, 4};
  }
  each_conv_case(bench, layers, batches, [&](const ConvCase& c) { measure(bench, c); });
}

}  // namespace bsg::bench
