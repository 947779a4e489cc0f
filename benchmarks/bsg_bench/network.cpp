// Whole networks by the inference plan: dense execution, and gated execution with gates that are on for a share of the
// images, or as a trained checkpoint decides on real ones.
#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "benchmarks/bsg_bench/logits.hpp"
#include "benchmarks/bsg_bench/network_gates.hpp"
#include "benchmarks/bsg_bench/recorded.hpp"
#include "benchmarks/bsg_bench/suites.hpp"
#include "engine/core/error.hpp"
#include "engine/inference/plan.hpp"
#include "models/registry.hpp"

namespace bsg::bench {
namespace {

// A network as a plan, and what its gates are.
struct Subject {
  std::string gates;
  const nn::MacModel& macs;
  std::unique_ptr<inference::Plan> plan;
};

double needed_macs(const nn::MacModel& macs, const inference::Output& output) {
  const std::int64_t batch = output.open.shape()[0], layers = output.open.shape()[1];
  const std::vector<std::int32_t> open = output.open.values<std::int32_t>();
  double needed = 0;
  for (std::int64_t n = 0; n < batch; ++n)
    needed += static_cast<double>(macs.needed({open.begin() + n * layers, open.begin() + (n + 1) * layers}));
  return needed;
}

// The first subject's dense execution, then each one's gated execution, of the same images.
void measure(Bench& bench, Group group, const std::vector<Subject>& subjects, const Tensor& images) {
  std::vector<Execution> executions;
  for (const Subject& subject : subjects) {
    const nn::MacModel& macs = subject.macs;
    group.dense_macs = static_cast<double>(macs.dense) * static_cast<double>(group.batch);
    const auto run = [&images, plan = subject.plan.get()](inference::Execution execution) {
      return plan->run(images, {.execution = execution});
    };
    const inference::Output dense = run(inference::Execution::dense), gated = run(inference::Execution::gated);
    check_logits(group.name + ", " + subject.gates, dense.logits, gated.logits, bench.options().precision);
    const auto work = [run](inference::Execution execution) {
      return [run, execution](int times) {
        for (int time = 0; time < times; ++time) run(execution);
      };
    };
    if (executions.empty()) executions.push_back({"dense", group.dense_macs, work(inference::Execution::dense)});
    if (macs.gates() > 0)
      executions.push_back({subject.gates, needed_macs(macs, gated), work(inference::Execution::gated)});
  }
  bench.measure(group, executions);
}

std::vector<std::int64_t> batches_of(const Bench& bench, const std::string& arch) {
  if (bench.options().quick) return bench.batches({1, 4});
  return bench.batches(takes_small_images(arch) ? std::vector<std::int64_t>{1, 16, 128}
                                                : std::vector<std::int64_t>{1, 16});
}

void run_drawn(Bench& bench, const std::string& arch) {
  const auto group = [&](std::int64_t batch) {
    return Group{"network", fmt::format("{}, batch {}", arch, batch), batch};
  };
  const std::vector<std::int64_t> batches = batches_of(bench, arch);
  if (std::none_of(batches.begin(), batches.end(), [&](std::int64_t batch) { return bench.wants(group(batch)); }))
    return;
  Context& context = bench.context();
  Context host({.threads = context.threads()});
  Generator random = bench.random(arch);
  const std::int64_t most = *std::max_element(batches.begin(), batches.end());
  const int size = bench.image_size(arch);
  const std::int64_t decisive = takes_small_images(arch) ? kImagesToDecide : kLargeImagesToDecide;
  const Tensor images = noise_images(host, std::max(most, decisive), size, random);
  const Precision precision = parse_precision(bench.options().precision);
  std::vector<std::unique_ptr<nn::Network>> networks;
  std::vector<Subject> subjects;
  for (const double density : bench.options().densities) {
    const models::NetworkConfig config{.arch = arch,
                                       .classes = usual_classes(arch),
                                       .height = size,
                                       .width = size,
                                       .base_channels = bench.options().base_channels};
    networks.push_back(models::make_network(host, config, bench.options().seed));
    nn::Network& network = *networks.back();
    const bool gated = network.macs().gates() > 0;
    if (gated) set_density(host, network, first_images(host, images, decisive), density);
    network.move(context);
    subjects.push_back({fmt::format("{:.2f}", density), network.macs(),
                        std::make_unique<inference::Plan>(context, network, precision)});
    if (!gated) break;
  }
  for (const std::int64_t batch : batches)
    if (bench.wants(group(batch)))
      measure(bench, group(batch), subjects, first_images(host, images, batch).to(context));
}

void run_recorded(Bench& bench) {
  Context& context = bench.context();
  Context host({.threads = context.threads()});
  const Recorded recorded(host, bench.options());
  recorded.network().move(context);
  std::vector<Subject> subjects;
  subjects.push_back(
      {"recorded", recorded.network().macs(),
       std::make_unique<inference::Plan>(context, recorded.network(), parse_precision(bench.options().precision))});
  for (const std::int64_t batch : batches_of(bench, recorded.arch())) {
    const Group group{"network", fmt::format("{}, batch {}", recorded.arch(), batch), batch};
    if (bench.wants(group)) measure(bench, group, subjects, recorded.images(batch).to(context));
  }
}

}  // namespace

void run_network(Bench& bench) {
  const Options& options = bench.options();
  if (!options.checkpoint.empty()) return run_recorded(bench);
  std::vector<std::string> archs = options.archs;
  if (archs.empty())
    archs = options.quick ? std::vector<std::string>{"resnet20_bas"}
                          : std::vector<std::string>{"resnet20", "resnet20_bas", "resnet34_bas", "resnet50_bas"};
  for (const std::string& arch : archs) run_drawn(bench, arch);
}

}  // namespace bsg::bench
