#include "benchmarks/bsg_bench/bench.hpp"

#include <algorithm>
#include <cstdio>
#include <functional>

#include <fmt/format.h>

#include "benchmarks/bsg_bench/machine.hpp"
#include "benchmarks/bsg_bench/network_gates.hpp"
#include "benchmarks/bsg_bench/table.hpp"
#include "engine/core/error.hpp"
#include "kernels/backend/backend.hpp"
#include "models/registry.hpp"

namespace bsg::bench {
namespace {

// FNV-1a: the same on every machine, unlike std::hash.
std::uint64_t hash(std::string_view text) {
  std::uint64_t value = 0xcbf29ce484222325;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return value;
}

// The median of a[i] / b[i] and its spread: what both had to suffer in one round cancels out.
Summary paired_ratio(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> ratios(a.size());
  std::transform(a.begin(), a.end(), b.begin(), ratios.begin(), std::divides<>());
  return summarize(std::move(ratios));
}

// More than any L2 cache's double so far (an H200's has 50 MB).
constexpr std::size_t kFlushBytes = std::size_t{256} << 20;

std::unique_ptr<Peak> make_peak(Context& context, const Options& options) {
  if (context.on_cpu()) return cpu_peak(options.threads);
  return context.device() == Device::cuda ? device_peak(context, options.precision) : nullptr;
}

std::unique_ptr<Stopwatch> make_stopwatch(Context& context, const Options& options) {
  if (context.on_cpu()) return host_stopwatch(options.clock == "processor");
  const bool cold = options.cache == "cold" && context.device() == Device::cuda;
  return device_stopwatch(context.backend().runtime, context.launch().stream, cold ? kFlushBytes : 0);
}

ContextOptions context_options(const Options& options) {
  return {.device = parse_device(options.device),
          .threads = options.threads,
          .seed = options.seed,
          .precision = parse_precision(options.precision),
          .allow_vendor = options.vendor};
}

// The lines of a run that asks for the vendor's kernels must not be those of ours.
Context make_context(const Options& options) {
  Context context(context_options(options));
  if (options.vendor && !context.uses_vendor())
    throw_error<ConfigError>("--vendor: device {} has no libbsg_vendor.so beside it, or lacks cuDNN or cuBLAS",
                             to_string(context.device()));
  return context;
}

}  // namespace

Bench::Bench(const Options& options)
    : options_(options),
      context_(make_context(options)),
      peak_(make_peak(context_, options)),
      stopwatch_(make_stopwatch(context_, options)) {
  if (on_cpu() && options.cache == "cold")
    throw_error<ConfigError>("--cache cold: activations in a CPU's cache are what the inference plan is made for");
  if (options.clock == "processor" && (options.threads != 1 || !on_cpu()))
    throw_error<ConfigError>("--clock processor: needs --threads 1 and --device cpu, {} threads on {} were given",
                             options.threads, to_string(context_.device()));
  results_.commit = commit();
  results_.precision = options.precision;
  results_.cache = options.cache;
  results_.clock = options.clock;
  results_.seed = options.seed;
  results_.machine = {processor_name(), cpu_instructions(), options.threads, std::string(to_string(context_.device())),
                      on_cpu() ? "" : context_.backend().runtime.device_name()};
  results_.start_memory = peak_memory();
  fmt::print("{}{}", header(results_), column_names());
}

bool Bench::wants(const Group& group, std::string_view more) const {
  return fmt::format("{} / {} / {}", group.suite, group.name, more).find(options_.filter) != std::string::npos;
}

std::vector<std::int64_t> Bench::batches(std::vector<std::int64_t> own) const {
  return options_.batches.empty() ? own : options_.batches;
}

Generator Bench::random(std::string_view name) const { return Generator(options_.seed, hash(name)); }

int Bench::image_size(std::string_view arch) const {
  if (options_.image_size > 0) return options_.image_size;
  const int size = models::image_size(std::string(arch));
  if (context_.device() != Device::simt) return size;
  return size > 32 ? 32 : 8;
}

bool Bench::in_f32(std::string_view suite) const {
  if (options_.precision == "f32") return true;
  fmt::print("{}: computes in f32, left out\n", suite);
  return false;
}

void Bench::measure(const Group& group, const std::vector<Execution>& executions) {
  const bool with_peak = group.dense_macs > 0 && peak_ != nullptr;
  std::vector<Work> pieces;
  for (const Execution& execution : executions) pieces.push_back(execution.work);
  if (with_peak) pieces.push_back([this](int times) { peak_->run(times); });
  const std::vector<std::vector<double>> seconds =
      time_in_turns(*stopwatch_, pieces, {options_.min_seconds, options_.rounds});
  for (std::size_t i = 0; i < executions.size(); ++i) {
    Line line{.suite = group.suite,
              .name = group.name,
              .gates = executions[i].gates,
              .batch = group.batch,
              .active_macs = executions[i].active_macs,
              .dense_macs = group.dense_macs,
              .seconds = summarize(seconds[i])};
    if (with_peak) {
      line.peak_gflops = 2e-9 * peak_->macs() / summarize(seconds.back()).median;
      line.share_of_peak = paired_ratio(seconds.back(), seconds[i]).median * line.active_macs / peak_->macs();
    }
    if (executions.size() > 1) line.ratio = paired_ratio(seconds[i], seconds[0]);
    fmt::print("{}", row(line));
    std::fflush(stdout);
    results_.lines.push_back(std::move(line));
  }
  results_.peak_memory = peak_memory();
}

}  // namespace bsg::bench
