// A network's training step, and the forward passes that it is made of, on noise.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "benchmarks/bsg_bench/logits.hpp"
#include "benchmarks/bsg_bench/network_gates.hpp"
#include "benchmarks/bsg_bench/suites.hpp"
#include "engine/core/error.hpp"
#include "engine/inference/plan.hpp"
#include "engine/ops/sigmoid.hpp"
#include "engine/ops/softmax_cross_entropy.hpp"
#include "engine/ops/weighted_sum.hpp"
#include "engine/optim/sgd.hpp"
#include "models/registry.hpp"

namespace bsg::bench {
namespace {

// Of the forward pass's work, the gradients of inputs and weights included.
constexpr double kPassesOfStep = 3;
// Of the auxiliary head's loss, as PSPNet's paper has it.
constexpr double kAuxiliaryWeight = 0.4;

Tensor labels_in_turn(Context& context, const Shape& shape, int classes) {
  Tensor labels = Tensor::empty(context, shape, DType::i64);
  std::int64_t next = 0;
  for (std::int64_t& label : labels.span<std::int64_t>()) label = next++ % classes;
  return labels;
}

class Subject {
 public:
  Subject(Bench& bench, const std::string& arch, std::int64_t batch, Generator random)
      : context_(bench.context()), precision_(bench.options().precision) {
    Context host({.threads = context_.threads()});
    const int size = bench.image_size(arch);
    const int classes = usual_classes(arch);
    network_ = models::make_network(host,
                                    {.arch = arch,
                                     .classes = classes,
                                     .height = size,
                                     .width = size,
                                     .base_channels = bench.options().base_channels},
                                    bench.options().seed);
    const Tensor images = noise_images(host, batch, size, random);
    expected_ = inference::Plan(host, *network_).run(images, {.execution = inference::Execution::dense}).logits;
    images_ = images.to(context_);
    const bool of_pixels = network_->task() == nn::Task::segmentation;
    labels_ = labels_in_turn(host, of_pixels ? Shape{batch, size, size} : Shape{batch}, classes).to(context_);
    network_->move(context_);
    optimizer_.emplace(context_, optim::split_gating(network_->parameters(), 5e-4, 0, 1), optim::SgdOptions{});
  }

  double macs_of_image() const { return static_cast<double>(network_->macs().dense); }

  void forward(bool training, int times) {
    for (int time = 0; time < times; ++time) {
      std::vector<nn::GateTrace> traces;
      network_->forward({.context = context_, .training = training}, images_, traces);
    }
  }

  void step(int times) {
    for (int time = 0; time < times; ++time) {
      Tape tape(context_);
      std::vector<nn::GateTrace> traces;
      const nn::Scores scores =
          network_->scores({.context = context_, .tape = &tape, .training = true}, images_, traces);
      optimizer_->zero_grad();
      tape.backward(total_loss(scores, traces));
      optimizer_->step(0.01);
    }
  }

  // The network's first logits by the inference plan, which shares no convolution with training, and a step whose
  // gradients are numbers. (Gradients are checked in the tests.)
  void check(const std::string& what) {
    std::vector<nn::GateTrace> traces;
    check_logits(what, expected_, network_->forward({.context = context_}, images_, traces).value, precision_);
    step(1);
    for (const Parameter* parameter : network_->parameters())
      for (const float value : parameter->value.values<float>())
        if (!std::isfinite(value)) throw_error<NumericError>("{}: a step left {} in {}", what, value, parameter->name);
  }

 private:
  // Cross-entropy, that of an auxiliary head too, and for gated networks 0.4 times the mean L0 loss of their layers:
  // what a step costs in the greater part of a training run. (The batch-shaping loss runs in its first part only.)
  Var total_loss(const nn::Scores& scores, const std::vector<nn::GateTrace>& traces) {
    std::vector<Var> losses = {ops::softmax_cross_entropy(context_, scores.logits, labels_)};
    std::vector<double> weights = {1};
    if (scores.auxiliary.value.defined()) {
      losses.push_back(ops::softmax_cross_entropy(context_, scores.auxiliary, labels_));
      weights.push_back(kAuxiliaryWeight);
    }
    for (const nn::GateTrace& trace : traces) {
      losses.push_back(ops::l0_loss(context_, trace.logits));
      weights.push_back(0.4 / static_cast<double>(traces.size()));
    }
    return ops::weighted_sum(context_, losses, weights);
  }

  Context& context_;
  const std::string precision_;
  std::unique_ptr<nn::Network> network_;
  std::optional<optim::Sgd> optimizer_;
  Tensor images_, labels_, expected_;
};

void run_group(Bench& bench, const std::string& arch, std::int64_t batch) {
  struct Phase {
    const char* name;
    double passes;
    void (*run)(Subject& subject, int times);
  };
  constexpr Phase kPhases[] = {{"forward_eval", 1, [](Subject& s, int times) { s.forward(false, times); }},
                               {"forward_train", 1, [](Subject& s, int times) { s.forward(true, times); }},
                               {"training_step", kPassesOfStep, [](Subject& s, int times) { s.step(times); }}};
  for (const Phase& phase : kPhases) {
    Group group{"training", fmt::format("{} {}, batch {}", arch, phase.name, batch), batch};
    if (!bench.wants(group)) continue;
    Subject subject(bench, arch, batch, bench.random(arch));
    group.dense_macs = phase.passes * subject.macs_of_image() * static_cast<double>(batch);
    subject.check(group.name);
    bench.measure(group, {{"-", group.dense_macs, [&](int times) { phase.run(subject, times); }}});
  }
}

}  // namespace

void run_training(Bench& bench) {
  const Options& options = bench.options();
  std::vector<std::string> archs = options.archs;
  if (archs.empty()) archs = {"resnet20", "resnet20_bas"};
  for (const std::string& arch : archs)
    for (const std::int64_t batch :
         bench.batches(options.quick ? std::vector<std::int64_t>{2} : std::vector<std::int64_t>{128}))
      run_group(bench, arch, batch);
}

}  // namespace bsg::bench
