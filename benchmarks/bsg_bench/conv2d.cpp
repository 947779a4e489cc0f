// The dense convolutions of training: forward pass, gradient of the input, gradient of the weight.
#include "kernels/conv2d/conv2d.hpp"

#include <cmath>

#include <fmt/format.h>

#include "benchmarks/bsg_bench/conv_reference.hpp"
#include "benchmarks/bsg_bench/suites.hpp"
#include "engine/core/error.hpp"
#include "engine/core/tensor.hpp"

namespace bsg::bench {
namespace {

namespace cpu = kernels::cpu;

double dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}
double magnitude(const std::vector<float>& a, const std::vector<float>& b) { return std::sqrt(dot(a, a) * dot(b, b)); }

class Problem {
 public:
  Problem(Context& context, const ConvLayer& layer, std::int64_t batch, Generator random)
      : context_(context), layer_(layer) {
    shape_.batch = batch;
    shape_.channels = layer.inputs;
    shape_.outputs = layer.outputs;
    shape_.height = shape_.width = layer.size;
    shape_.kernel_height = shape_.kernel_width = layer.kernel;
    shape_.stride = layer.stride;
    shape_.padding = layer.padding();
    const std::int64_t taps = layer.kernel * layer.kernel;
    x_ = normal_values(batch * layer.inputs * layer.size * layer.size, 1, random);
    w_ = normal_values(shape_.weights(), 1 / std::sqrt(static_cast<double>(layer.inputs * taps)), random);
    dy_ = normal_values(batch * layer.outputs * layer.out_size() * layer.out_size(), 1, random);
    y_.resize(dy_.size());
    dx_.resize(x_.size());
    dw_.resize(w_.size());
    workspace_ = Tensor::empty(context, {cpu::conv2d_workspace(shape_, context.threads())});
  }

  double macs() const {
    return static_cast<double>(shape_.batch) *
           layer_.macs(static_cast<double>(layer_.inputs), static_cast<double>(layer_.outputs));
  }

  void forward(int times) {
    for (int time = 0; time < times; ++time)
      cpu::conv2d_forward<float>(context_.launch(), shape_, x_.data(), w_.data(), nullptr, nullptr, nullptr, y_.data(),
                                 workspace_.data<float>());
  }
  void backward_input(int times) {
    for (int time = 0; time < times; ++time)
      cpu::conv2d_backward_input<float>(context_.launch(), shape_, w_.data(), dy_.data(), nullptr, dx_.data(), false,
                                        workspace_.data<float>());
  }
  void backward_weight(int times) {
    for (int time = 0; time < times; ++time)
      cpu::conv2d_backward_weight<float>(context_.launch(), shape_, x_.data(), dy_.data(), nullptr, nullptr, dw_.data(),
                                         false, workspace_.data<float>());
  }

  // The forward pass by its definition; the gradients by <dy, conv(x, w)> = <dx, x> = <dw, w>, which holds for them
  // because a convolution is linear in x and in w.
  void check(const std::string& what, const Generator& random) {
    forward(1);
    backward_input(1);
    backward_weight(1);
    const std::int64_t out = layer_.out_size(), last = shape_.batch - 1;
    const std::vector<float> x(x_.end() - static_cast<std::ptrdiff_t>(layer_.inputs * layer_.size * layer_.size),
                               x_.end());
    const std::vector<float> bias(static_cast<std::size_t>(layer_.outputs));
    std::vector<std::int32_t> inputs, outputs;
    for (std::int64_t c = 0; c < layer_.inputs; ++c) inputs.push_back(static_cast<std::int32_t>(c));
    for (std::int64_t k = 0; k < layer_.outputs; ++k) outputs.push_back(static_cast<std::int32_t>(k));
    check_conv(what, {layer_, x, w_, bias, nullptr, false}, inputs, outputs, 1e-5, random,
               [&](std::int64_t k, std::int64_t i, std::int64_t j) {
                 return y_[static_cast<std::size_t>(((last * layer_.outputs + k) * out + i) * out + j)];
               });
    const double product = dot(dy_, y_), allowed = 1e-5 * magnitude(dy_, y_);
    if (!(std::abs(dot(dx_, x_) - product) <= allowed) || !(std::abs(dot(dw_, w_) - product) <= allowed))
      throw_error<NumericError>("{}: <dy, y> is {}, <dx, x> {}, <dw, w> {}", what, product, dot(dx_, x_), dot(dw_, w_));
  }

 private:
  Context& context_;
  const ConvLayer layer_;
  kernels::Conv2dShape shape_;
  std::vector<float> x_, w_, dy_, y_, dx_, dw_;
  Tensor workspace_;
};

}  // namespace

void run_conv2d(Bench& bench) {
  if (!bench.on_cpu()) {
    fmt::print("conv2d: measured on the CPU only; on a GPU the suite training has these passes\n");
    return;
  }
  std::vector<ConvLayer> layers = {{"resnet20", 3, 3, 16, 32}};
  for (const ConvLayer& layer : conv_layers())
    if (layer.networks == "resnet20") layers.push_back(layer);
  if (bench.options().quick) layers = {{"resnet20", 3, 16, 16, 32}, {"resnet20", 3, 16, 32, 16, 2}};
  struct Pass {
    const char* name;
    void (Problem::*run)(int times);
  };
  constexpr Pass kPasses[] = {
      {"forward", &Problem::forward}, {"dx", &Problem::backward_input}, {"dw", &Problem::backward_weight}};
  for (const ConvLayer& layer : layers)
    for (const std::int64_t batch :
         bench.batches(bench.options().quick ? std::vector<std::int64_t>{4} : std::vector<std::int64_t>{128}))
      for (const Pass& pass : kPasses) {
        Group group{"conv2d", fmt::format("{}, {}, batch {}", layer.name(), pass.name, batch), batch};
        if (!bench.wants(group, layer.networks)) continue;
        Problem problem(bench.context(), layer, batch, bench.random(group.name));
        group.dense_macs = problem.macs();
        problem.check(group.name, bench.random(group.name).fork(1));
        bench.measure(group, {{"-", problem.macs(), [&](int times) { (problem.*pass.run)(times); }}});
      }
}

}  // namespace bsg::bench
