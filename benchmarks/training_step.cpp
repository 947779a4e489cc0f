// Times one training step of a CIFAR network, and the forward passes it is made of. benchmarks/peers has the same in
// PyTorch, and compare_training, which runs both in turn.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <functional>
#include <string>
#include <sys/resource.h>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "engine/core/error.hpp"
#include "engine/ops/sigmoid.hpp"
#include "engine/ops/softmax_cross_entropy.hpp"
#include "engine/ops/weighted_sum.hpp"
#include "engine/optim/sgd.hpp"
#include "models/registry.hpp"

namespace {

using namespace bsg;

constexpr int kClasses = 10;

struct Options {
  std::string arch = "resnet20";
  int batch = 128, threads = 2, rounds = 5, steps = 4;
  std::string phase;  // empty: all
  bool processor_time = false;
  bool json = false;
};

struct Phase {
  std::string name;
  std::function<void()> run;
  std::vector<double> seconds;  // one a step
};

// Wall clock, or what this process used of the processors.
double now(bool processor_time) {
  timespec time{};
  clock_gettime(processor_time ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// Largest resident set of this process so far.
std::int64_t peak_rss_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return std::int64_t{1024} * usage.ru_maxrss;
}

// Noise of unit variance instead of images: no kernel here takes a shortcut for zeros.
Tensor random_images(Context& context, int batch) {
  Tensor images = Tensor::empty(context, {batch, 3, 32, 32});
  for (float& value : images.span<float>()) value = static_cast<float>(context.random().normal());
  return images;
}

Tensor labels_in_turn(Context& context, int batch) {
  Tensor labels = Tensor::empty(context, {batch}, DType::i64);
  std::int64_t next = 0;
  for (std::int64_t& label : labels.span<std::int64_t>()) label = next++ % kClasses;
  return labels;
}

// Cross-entropy, and for gated networks 0.4 times the mean L0 loss of their layers: what a step costs in the greater
// part of a training run. (The batch-shaping loss runs in its first part only.)
Var total_loss(Context& context, const Var& logits, const Tensor& labels, const std::vector<nn::GateTrace>& traces) {
  std::vector<Var> losses = {ops::softmax_cross_entropy(context, logits, labels)};
  std::vector<double> weights = {1};
  for (const nn::GateTrace& trace : traces) {
    losses.push_back(ops::l0_loss(context, trace.logits));
    weights.push_back(0.4 / static_cast<double>(traces.size()));
  }
  return ops::weighted_sum(context, losses, weights);
}

double images_per_second(double seconds, int batch) { return batch / seconds; }

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

void print(const Options& options, const std::vector<Phase>& phases, std::int64_t start_rss) {
  if (options.json) {
    nlohmann::json out = {{"arch", options.arch},   {"batch", options.batch},       {"threads", options.threads},
                          {"start_rss", start_rss}, {"peak_rss", peak_rss_bytes()}, {"seconds", {}}};
    for (const Phase& phase : phases) out["seconds"][phase.name] = phase.seconds;
    fmt::print("{}\n", out.dump());
    return;
  }
  fmt::print("{}, batch {}, {} threads, {} rounds of {} steps{}\n", options.arch, options.batch, options.threads,
             options.rounds, options.steps, options.processor_time ? ", processor time" : "");
  for (const Phase& phase : phases)
    fmt::print("{:<14} best {:7.1f} img/s ({:6.1f} ms), median {:7.1f}\n", phase.name,
               images_per_second(*std::min_element(phase.seconds.begin(), phase.seconds.end()), options.batch),
               1e3 * *std::min_element(phase.seconds.begin(), phase.seconds.end()),
               images_per_second(median(phase.seconds), options.batch));
  constexpr double kMebi = 1024 * 1024;
  fmt::print("peak RSS {:.1f} MiB, of which {:.1f} after the start\n", static_cast<double>(peak_rss_bytes()) / kMebi,
             static_cast<double>(peak_rss_bytes() - start_rss) / kMebi);
}

void run(const Options& options) {
  const std::int64_t start_rss = peak_rss_bytes();
  Context context({.threads = options.threads, .seed = 1});
  const auto network = models::make_network(context, {.arch = options.arch, .classes = kClasses}, 1);
  optim::Sgd optimizer(context, optim::split_gating(network->parameters(), 5e-4, 0, 1), {});
  const Tensor images = random_images(context, options.batch);
  const Tensor labels = labels_in_turn(context, options.batch);

  const auto forward = [&](bool training) {
    std::vector<nn::GateTrace> traces;
    network->forward({.context = context, .training = training}, images, traces);
  };
  const auto step = [&] {
    Tape tape(context);
    std::vector<nn::GateTrace> traces;
    const Var logits = network->forward({.context = context, .tape = &tape, .training = true}, images, traces);
    optimizer.zero_grad();
    tape.backward(total_loss(context, logits, labels, traces));
    optimizer.step(0.01);
  };
  std::vector<Phase> phases = {{"forward_eval", [&] { forward(false); }, {}},
                               {"forward_train", [&] { forward(true); }, {}},
                               {"training_step", step, {}}};
  if (!options.phase.empty()) std::erase_if(phases, [&](const Phase& phase) { return phase.name != options.phase; });
  for (const Phase& phase : phases) phase.run();
  for (int round = 0; round < options.rounds; ++round)
    for (Phase& phase : phases)
      for (int i = 0; i < options.steps; ++i) {
        const double start = now(options.processor_time);
        phase.run();
        phase.seconds.push_back(now(options.processor_time) - start);
      }
  print(options, phases, start_rss);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Times the forward passes and the training step of a CIFAR network on noise images.");
  app.add_option("--arch", options.arch, "Network")->capture_default_str();
  app.add_option("--batch", options.batch, "Images a step")->check(CLI::Range(1, 65536))->capture_default_str();
  app.add_option("--threads", options.threads, "CPU threads")->check(CLI::Range(1, 1024))->capture_default_str();
  app.add_option("--rounds", options.rounds, "Rounds; each times every phase")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  app.add_option("--steps", options.steps, "Steps of a phase in a round")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  app.add_option("--phase", options.phase, "Time this phase alone, for a profiler")
      ->check(CLI::IsMember({"forward_eval", "forward_train", "training_step"}));
  app.add_flag("--processor-time", options.processor_time,
               "Time by the processor, which other work disturbs less than the wall clock; for one thread");
  app.add_flag("--json", options.json, "Print one JSON object with every step's seconds");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (options.processor_time && options.threads != 1) {
    fmt::print(stderr, "training_step: --processor-time with {} threads: their waiting counts too, 1 is needed\n",
               options.threads);
    return 2;
  }
  try {
    run(options);
  } catch (const Error& error) {
    fmt::print(stderr, "training_step: {}\n", error.what());
    return error.exit_status();
  }
  return 0;
}
