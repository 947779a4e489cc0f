// The gating modules of the inference plan: pooled means -> FC -> ReLU -> FC -> which channels are on.
#include "kernels/gate/gate.hpp"

#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "benchmarks/bsg_bench/conv_reference.hpp"
#include "benchmarks/bsg_bench/device_memory.hpp"
#include "benchmarks/bsg_bench/suites.hpp"
#include "engine/core/error.hpp"
#include "kernels/backend/backend.hpp"
#include "kernels/common/parallel_for.hpp"

namespace bsg::bench {
namespace {

namespace cpu = kernels::cpu;

constexpr std::int64_t kHidden = 16;

struct Size {
  std::int64_t inputs, outputs;
};

class Problem {
 public:
  Problem(const Size& size, std::int64_t batch, Generator random)
      : size_(size),
        batch_(batch),
        mean_(normal_values(batch * size.inputs, 1, random)),
        weight1_(normal_values(size.inputs * kHidden, 1 / std::sqrt(static_cast<double>(size.inputs)), random)),
        bias1_(normal_values(kHidden, 1, random)),
        weight2_(normal_values(kHidden * size.outputs, 0.25, random)),
        bias2_(normal_values(size.outputs, 1, random)),
        logits_(elements(size.outputs)),
        mask_(elements(size.outputs)),
        open_(elements(size.outputs)),
        count_(static_cast<std::size_t>(batch)) {}

  double macs() const { return static_cast<double>(batch_ * kHidden * (size_.inputs + size_.outputs)); }

  // With the weights and a mask on the device.
  void move(Context& context) {
    const auto on_device = [&](const std::vector<float>& values) {
      return Tensor::from(context, {static_cast<std::int64_t>(values.size())}, values);
    };
    on_device_.emplace(Device{on_device(mean_), on_device(weight1_), on_device(bias1_), on_device(weight2_),
                              on_device(bias2_), Tensor::empty(context, {batch_ * size_.outputs}),
                              DeviceMask(context, batch_, size_.outputs)});
  }

  void run(Context& context, int times) {
    if (on_device_) return run_on_device(context, times);
    const kernels::Launch launch = context.launch();
    for (int time = 0; time < times; ++time)
      kernels::parallel_for(launch, batch_, batch_ * kHidden * (size_.inputs + size_.outputs),
                            [&](std::int64_t begin, std::int64_t end) {
                              for (std::int64_t n = begin; n < end; ++n) decide(n);
                            });
  }

  // What the device found, as if the CPU had.
  void fetch() {
    if (!on_device_) return;
    logits_ = on_device_->logits.values<float>();
    for (std::int64_t n = 0; n < batch_; ++n) {
      const std::vector<std::int32_t> open = on_device_->mask.open(n);
      count_[static_cast<std::size_t>(n)] = static_cast<std::int64_t>(open.size());
      for (std::size_t i = 0; i < open.size(); ++i) {
        open_[at(n, static_cast<std::int64_t>(i))] = open[i];
        mask_[at(n, open[i])] = 1;
      }
    }
  }

  // Against double. A logit that is too near to 0 for float may fall on either side.
  void check(const std::string& what) const {
    for (std::int64_t n = 0; n < batch_; ++n) {
      std::int64_t next = 0;
      for (std::int64_t k = 0; k < size_.outputs; ++k) {
        const double logit = reference(n, k);
        const float found = logits_[at(n, k)];
        if (!(std::abs(found - logit) <= 1e-4))
          throw_error<NumericError>("{}: logit {} of sample {} is {}, the definition gives {}", what, k, n, found,
                                    logit);
        if ((found > 0) != (mask_[at(n, k)] == 1)) throw_error<NumericError>("{}: gate {} is wrong", what, k);
        if (found > 0 && open_[at(n, next++)] != k) throw_error<NumericError>("{}: the list lacks channel {}", what, k);
      }
      if (count_[static_cast<std::size_t>(n)] != next)
        throw_error<NumericError>("{}: {} channels are counted, {} are on", what, count_[static_cast<std::size_t>(n)],
                                  next);
    }
  }

 private:
  std::size_t elements(std::int64_t each) const { return static_cast<std::size_t>(batch_ * each); }
  std::size_t at(std::int64_t n, std::int64_t k) const { return static_cast<std::size_t>(n * size_.outputs + k); }

  void run_on_device(Context& context, int times) {
    Device& d = *on_device_;
    const kernels::device::GateLayers layers{size_.inputs,          kHidden,
                                             size_.outputs,         d.weight1.data<float>(),
                                             d.bias1.data<float>(), d.weight2.data<float>(),
                                             d.bias2.data<float>()};
    for (int time = 0; time < times; ++time)
      context.backend().infer_gates(context.launch(), {d.mean.data<float>()}, layers, d.mask.mask(),
                                    {.logits = d.logits.data<float>()});
  }

  void decide(std::int64_t n) {
    float hidden[kHidden];
    float* const logits = logits_.data() + n * size_.outputs;
    cpu::affine({size_.inputs, kHidden, weight1_.data(), bias1_.data()}, mean_.data() + n * size_.inputs, true, hidden);
    cpu::affine({kHidden, size_.outputs, weight2_.data(), bias2_.data()}, hidden, false, logits);
    count_[static_cast<std::size_t>(n)] =
        cpu::list_open(logits, size_.outputs, open_.data() + n * size_.outputs, mask_.data() + n * size_.outputs);
  }

  double reference(std::int64_t n, std::int64_t k) const {
    double logit = bias2_[static_cast<std::size_t>(k)];
    for (std::int64_t h = 0; h < kHidden; ++h) {
      double unit = bias1_[static_cast<std::size_t>(h)];
      for (std::int64_t i = 0; i < size_.inputs; ++i)
        unit += static_cast<double>(mean_[static_cast<std::size_t>(n * size_.inputs + i)]) *
                weight1_[static_cast<std::size_t>(i * kHidden + h)];
      if (unit > 0) logit += unit * weight2_[static_cast<std::size_t>(h * size_.outputs + k)];
    }
    return logit;
  }

  struct Device {
    Tensor mean, weight1, bias1, weight2, bias2, logits;
    DeviceMask mask;
  };

  Size size_;
  std::int64_t batch_;
  std::optional<Device> on_device_;
  std::vector<float> mean_, weight1_, bias1_, weight2_, bias2_, logits_, mask_;
  std::vector<std::int32_t> open_;
  std::vector<std::int64_t> count_;
};

}  // namespace

void run_gate(Bench& bench) {
  if (!bench.in_f32("gate")) return;
  std::vector<Size> sizes = {{16, 16}, {32, 32}, {64, 64}, {64, 128}, {128, 128}, {256, 256}, {512, 512}, {2048, 512}};
  if (bench.options().quick) sizes = {{16, 16}, {64, 128}};
  for (const Size& size : sizes)
    for (const std::int64_t batch : bench.batches({1, 16, 128})) {
      Group group{"gate", fmt::format("{}>{}>{}, batch {}", size.inputs, kHidden, size.outputs, batch), batch};
      if (!bench.wants(group)) continue;
      Problem problem(size, batch, bench.random(group.name));
      group.dense_macs = problem.macs();
      if (!bench.on_cpu()) problem.move(bench.context());
      problem.run(bench.context(), 1);
      problem.fetch();
      problem.check(group.name);
      bench.measure(group, {{"-", problem.macs(), [&](int times) { problem.run(bench.context(), times); }}});
    }
}

}  // namespace bsg::bench
