#include "benchmarks/bsg_bench/timing.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <ctime>

namespace bsg::bench {
namespace {

class HostStopwatch : public Stopwatch {
 public:
  explicit HostStopwatch(clockid_t clock) : clock_(clock) {}
  double seconds(const Work& work, int times) override {
    const double start = now();
    work(times);
    return (now() - start) / times;
  }

 private:
  double now() const {
    timespec time{};
    clock_gettime(clock_, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  }
  clockid_t clock_;
};

constexpr int kFewestRounds = 5, kMostRounds = 1000;
// A sample that is shorter is worth little: the clock and the threads' start show in it.
constexpr double kShortestSample = 1e-3;

}  // namespace

std::unique_ptr<Stopwatch> host_stopwatch(bool processor_time) {
  return std::make_unique<HostStopwatch>(processor_time ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC);
}

std::vector<std::vector<double>> time_in_turns(Stopwatch& stopwatch, const std::vector<Work>& pieces,
                                               const Effort& effort) {
  const double sample = std::max(kShortestSample, effort.min_seconds / 50);
  std::vector<int> times;
  double round = 0;
  for (const Work& work : pieces) {
    work(1);
    const double once = std::max(stopwatch.seconds(work, 1), 1e-9);
    times.push_back(static_cast<int>(std::clamp(std::ceil(sample / once), 1.0, 1e6)));
    round += once * times.back();
  }
  int rounds = effort.rounds;
  if (rounds <= 0)
    rounds = static_cast<int>(std::clamp(std::ceil(effort.min_seconds * static_cast<double>(pieces.size()) / round),
                                         double{kFewestRounds}, double{kMostRounds}));
  std::vector<std::vector<double>> seconds(pieces.size());
  for (int r = 0; r < rounds; ++r)
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      const std::size_t piece = r % 2 == 0 ? i : pieces.size() - 1 - i;
      seconds[piece].push_back(stopwatch.seconds(pieces[piece], times[piece]));
    }
  return seconds;
}

}  // namespace bsg::bench
