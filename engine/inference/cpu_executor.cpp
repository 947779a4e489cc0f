#include <omp.h>

#include "engine/inference/cpu_program.hpp"
#include "engine/inference/executor.hpp"

namespace bsg::inference {
namespace {

class CpuExecutor final : public Executor {
 public:
  CpuExecutor(Context& context, const Graph& graph)
      : context_(context), image_(graph.shape(Value{0})), output_(graph.output()), program_(graph) {
    const auto threads = static_cast<std::int64_t>(context.threads());
    planes_ = Tensor::zeros(context, {threads, program_.plane_elements()});
    sums_ = Tensor::empty(context, {threads, program_.sum_elements()});
    scratch_ = Tensor::empty(context, {threads, program_.scratch_elements()});
    masks_ = Tensor::empty(context, {threads, program_.all_gates()});
    open_ = Tensor::empty(context, {threads, program_.all_gates()}, DType::i32);
    open_count_ = Tensor::empty(context, {threads, program_.modules()}, DType::i64);
  }

  Output run(const Tensor& given, const RunOptions& options) override {
    const Tensor images = given.to(context_);
    const std::int64_t batch = images.shape()[0];
    Output output{Tensor::empty(context_, output_.batch(batch)),
                  Tensor::empty(context_, {batch, program_.modules()}, DType::i32), Tensor()};
    if (options.gates) output.gates = Tensor::empty(context_, {batch, program_.all_gates()}, DType::u8);
    const auto sample = [&](std::int64_t n) {
      return Sample{
          .image = images.data<float>() + n * image_.channels * image_.height * image_.width,
          .skip = options.execution == Execution::gated,
          .logits = output.logits.data<float>() + n * output_.numel(),
          .open = output.open.data<std::int32_t>() + n * program_.modules(),
          .gates = options.gates ? output.gates.data<std::uint8_t>() + n * program_.all_gates() : nullptr,
      };
    };
    const int threads = context_.threads();
    if (batch >= threads) {
      // One sample after the other to whichever thread is free: cores of a shared machine are not equally fast.
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
      for (std::int64_t n = 0; n < batch; ++n) {
        const int thread = omp_get_thread_num();
        program_.run(sample(n), worker(thread, thread), [] {});
      }
    } else {
#pragma omp parallel num_threads(threads)
      {
        Worker shared = worker(omp_get_thread_num(), 0);
        shared.part = omp_get_thread_num();
        shared.parts = omp_get_num_threads();
        for (std::int64_t n = 0; n < batch; ++n)
          program_.run(sample(n), shared, [] {
#pragma omp barrier
          });
      }
    }
    return output;
  }

  std::size_t bytes() const override {
    return program_.constant_bytes() + planes_.bytes() + sums_.bytes() + scratch_.bytes() + masks_.bytes() +
           open_.bytes() + open_count_.bytes();
  }

 private:
  // The memory of a thread, and of the sample that it works on.
  Worker worker(std::int64_t thread, std::int64_t sample) {
    return {.planes = planes_.data<float>() + sample * program_.plane_elements(),
            .sums = sums_.data<float>() + sample * program_.sum_elements(),
            .scratch = scratch_.data<float>() + thread * program_.scratch_elements(),
            .masks = masks_.data<float>() + thread * program_.all_gates(),
            .open = open_.data<std::int32_t>() + thread * program_.all_gates(),
            .open_count = open_count_.data<std::int64_t>() + thread * program_.modules()};
  }

  Context& context_;
  const Graph::ValueShape image_;
  const Graph::OutputShape output_;
  const CpuProgram program_;
  Tensor planes_, sums_, scratch_, masks_, open_, open_count_;  // [threads, ...]
};

}  // namespace

std::unique_ptr<Executor> make_cpu_executor(Context& context, const Graph& graph) {
  return std::make_unique<CpuExecutor>(context, graph);
}

}  // namespace bsg::inference
