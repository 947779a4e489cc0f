#include "kernels/simt/emulator/launcher.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "kernels/simt/emulator/block.hpp"
#include "kernels/simt/emulator/describe.hpp"
#include "kernels/simt/launch.hpp"

namespace bsg::simt {

namespace {

constinit thread_local EmulatorOptions current_options;
constinit thread_local std::uint64_t switches_so_far = 0;
constinit thread_local EmulatedCalls calls_so_far;

}  // namespace

ScopedEmulatorOptions::ScopedEmulatorOptions(const EmulatorOptions& options) : previous_(current_options) {
  current_options = options;
}

ScopedEmulatorOptions::~ScopedEmulatorOptions() { current_options = previous_; }

std::uint64_t emulated_switches() { return switches_so_far; }
EmulatedCalls emulated_calls() { return calls_so_far; }

namespace emulator {

const EmulatorOptions& launch_options() { return current_options; }

namespace {

// Runners that no launch uses now. Making one maps a thousand stacks.
class IdleRunners {
 public:
  static IdleRunners& instance() {
    static IdleRunners runners;
    return runners;
  }
  std::unique_ptr<BlockRunner> take() {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        std::unique_ptr<BlockRunner> runner = std::move(idle_.back());
        idle_.pop_back();
        return runner;
      }
    }
    return std::make_unique<BlockRunner>();
  }
  void give(std::unique_ptr<BlockRunner> runner) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(runner));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<BlockRunner>> idle_;
};

void check_extents(const Launched& launched) {
  const Index3 grid = launched.grid, block = launched.block;
  const auto refuse = [&](const std::string& what) {
    throw LaunchError(
        fmt::format("launch by {} ({}): {}", launched.where.function, describe_place(launched.where), what));
  };
  if (grid.x > 2147483647u || grid.y > 65535u || grid.z > 65535u)
    refuse(fmt::format("a grid of ({}, {}, {}) blocks; at most (2147483647, 65535, 65535)", grid.x, grid.y, grid.z));
  const std::uint64_t threads = std::uint64_t{block.x} * block.y * block.z;
  if (threads == 0 || threads > 1024 || block.x > 1024 || block.y > 1024 || block.z > 64)
    refuse(fmt::format("a block of ({}, {}, {}) threads; 1 to 1024, at most 64 along z", block.x, block.y, block.z));
  if (launched.shared_bytes > kMostSharedBytes)
    refuse(fmt::format("{} bytes of shared storage; at most {}", launched.shared_bytes, kMostSharedBytes));
}

}  // namespace

void count_wait() { ++calls_so_far.waits; }

void run_grid(Index3 grid, Index3 block, std::size_t shared_bytes, void (*body)(void*), void* arguments, Where where) {
  Launched launched{grid,      block, shared_bytes,    body,
                    arguments, where, current_options, DeviceMemory::instance().allocations()};
  check_extents(launched);
  if (BlockRunner::current() != nullptr) throw EmulationError("a kernel called launch");
  ++calls_so_far.launches;
  const std::uint64_t blocks = std::uint64_t{grid.x} * grid.y * grid.z;
  const unsigned wanted = launched.options.os_threads > 0 ? static_cast<unsigned>(launched.options.os_threads)
                                                          : std::max(1u, std::thread::hardware_concurrency());
  const auto workers = static_cast<unsigned>(std::min<std::uint64_t>(blocks, wanted));

  std::atomic<std::uint64_t> next{0}, switches{0};
  std::atomic<bool> stop{false};
  std::mutex mutex;
  std::string error;
  const auto work = [&] {
    std::unique_ptr<BlockRunner> runner = IdleRunners::instance().take();
    const std::uint64_t before = runner->switches();
    std::string mistake;
    for (std::uint64_t index = next++; index < blocks && !stop && mistake.empty(); index = next++)
      mistake = runner->run(launched, index);
    switches += runner->switches() - before;
    if (mistake.empty()) return IdleRunners::instance().give(std::move(runner));
    stop = true;
    const std::lock_guard lock(mutex);
    if (error.empty()) error = mistake;
  };
  {
    std::vector<std::jthread> others;
    for (unsigned worker = 1; worker < workers; ++worker) others.emplace_back(work);
    work();
  }
  switches_so_far += switches;
  if (error.empty()) {
    const std::string damage = DeviceMemory::instance().damaged_guards();
    if (!damage.empty())
      error = fmt::format("kernel launched by {} ({}): {}", where.function, describe_place(where), damage);
  }
  if (!error.empty()) throw EmulationError(error);
}

}  // namespace emulator

}  // namespace bsg::simt
