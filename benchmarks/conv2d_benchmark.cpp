// The three passes of a convolution on ResNet-20's shapes, batch 128: GFLOP/s of nominal work, padding included.
#include <vector>

#include <benchmark/benchmark.h>

#include "engine/core/tensor.hpp"
#include "kernels/conv2d/conv2d.hpp"

namespace {

using namespace bsg;

enum class Pass { forward, backward_input, backward_weight };

Tensor noise(Context& context, const Shape& shape) {
  Tensor tensor = Tensor::empty(context, shape);
  for (float& value : tensor.span<float>()) value = static_cast<float>(context.random().normal());
  return tensor;
}

// Arguments: input channels, output channels, image extent, stride, threads.
void convolution(benchmark::State& state, Pass pass) {
  const int threads = static_cast<int>(state.range(4));
  Context context({.threads = threads});
  kernels::Conv2dShape shape;
  shape.batch = 128;
  shape.channels = state.range(0);
  shape.outputs = state.range(1);
  shape.height = shape.width = state.range(2);
  shape.kernel_height = shape.kernel_width = 3;
  shape.stride = state.range(3);
  shape.padding = 1;
  Tensor x = noise(context, {shape.batch, shape.channels, shape.height, shape.width});
  Tensor w = noise(context, {shape.outputs, shape.channels, 3, 3});
  Tensor y = noise(context, {shape.batch, shape.outputs, shape.out_height(), shape.out_width()});
  Tensor workspace = Tensor::empty(context, {kernels::cpu::conv2d_workspace(shape, threads)});
  const float* none = nullptr;
  for ([[maybe_unused]] auto iteration : state) switch (pass) {
      case Pass::forward:
        kernels::cpu::conv2d_forward<float>(context.launch(), shape, x.data<float>(), w.data<float>(), none, none, none,
                                            y.data<float>(), workspace.data<float>());
        break;
      case Pass::backward_input:
        kernels::cpu::conv2d_backward_input<float>(context.launch(), shape, w.data<float>(), y.data<float>(), none,
                                                   x.data<float>(), false, workspace.data<float>());
        break;
      case Pass::backward_weight:
        kernels::cpu::conv2d_backward_weight<float>(context.launch(), shape, x.data<float>(), y.data<float>(), none,
                                                    none, w.data<float>(), false, workspace.data<float>());
        break;
    }
  const double flops =
      2.0 * static_cast<double>(shape.batch * shape.weights() * shape.out_height() * shape.out_width());
  state.counters["GFLOP/s"] =
      benchmark::Counter(flops * 1e-9, benchmark::Counter::kIsIterationInvariantRate, benchmark::Counter::kIs1000);
}

void shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"C", "K", "size", "stride", "threads"})->UseRealTime()->Unit(benchmark::kMillisecond);
  for (const int threads : {1, 2}) {
    benchmark->Args({16, 16, 32, 1, threads});
    benchmark->Args({32, 32, 16, 1, threads});
    benchmark->Args({64, 64, 8, 1, threads});
    benchmark->Args({3, 16, 32, 1, threads});
    benchmark->Args({16, 32, 32, 2, threads});
    benchmark->Args({32, 64, 16, 2, threads});
  }
}

BENCHMARK_CAPTURE(convolution, forward, Pass::forward)->Apply(shapes);
BENCHMARK_CAPTURE(convolution, backward_input, Pass::backward_input)->Apply(shapes);
BENCHMARK_CAPTURE(convolution, backward_weight, Pass::backward_weight)->Apply(shapes);

}  // namespace

BENCHMARK_MAIN();
