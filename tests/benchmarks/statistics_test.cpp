#include "benchmarks/bsg_bench/statistics.hpp"

#include <cmath>

#include "benchmarks/bsg_bench/compare.hpp"
#include "benchmarks/bsg_bench/table.hpp"
#include "benchmarks/bsg_bench/timing.hpp"
#include "tests/support/catch.hpp"

using namespace bsg::bench;
using Catch::Matchers::Contains;

namespace {

// Times around `middle`, with an interquartile range of `spread` of it.
Summary around(double middle, double spread) {
  const double half = spread * middle / 2;
  return {.samples = 25,
          .least = middle - 2 * half,
          .lower = middle - half,
          .median = middle,
          .upper = middle + half,
          .greatest = middle + 2 * half};
}

Line line(const std::string& name, double seconds, double spread, double peak) {
  return {.suite = "gate",
          .name = name,
          .gates = "-",
          .batch = 1,
          .active_macs = 1e6,
          .dense_macs = 1e6,
          .seconds = around(seconds, spread),
          .peak_gflops = peak};
}

}  // namespace

TEST_CASE("medians and quartiles lie where they are defined", "[bench]") {
  const Summary odd = summarize({5, 1, 4, 2, 3});
  CHECK(odd.samples == 5);
  CHECK(odd.least == 1);
  CHECK(odd.lower == 2);
  CHECK(odd.median == 3);
  CHECK(odd.upper == 4);
  CHECK(odd.greatest == 5);
  const Summary even = summarize({4, 1, 3, 2});
  CHECK(even.lower == Approx(1.75));
  CHECK(even.median == Approx(2.5));
  CHECK(even.upper == Approx(3.25));
  const Summary one = summarize({7});
  CHECK(one.median == 7);
  CHECK(one.interquartile_range() == 0);
  // 1.57 * IQR / sqrt(n) / median
  CHECK(notch(odd) == Approx(1.57 * 2 / std::sqrt(5.0) / 3));
}

TEST_CASE("a change is told from noise, and from a machine that became faster", "[bench]") {
  const Measured before{around(1, 0.02), 100};
  const auto after = [&](double seconds, double spread, double peak) {
    return judge(before, {around(seconds, spread), peak}, 0.03);
  };
  CHECK(after(1, 0.02, 100) == Change::noise);
  CHECK(after(1.02, 0.001, 100) == Change::noise);  // below the threshold
  CHECK(after(1.1, 0.02, 100) == Change::slower);
  CHECK(after(0.9, 0.02, 100) == Change::faster);
  CHECK(after(1.1, 0.5, 100) == Change::noise);  // within the notches
  // The peak fell, or rose, by as much as the time.
  CHECK(after(2, 0.02, 50) == Change::machine);
  CHECK(after(0.5, 0.02, 200) == Change::machine);
  CHECK(after(2, 0.02, 0) == Change::slower);  // no peak was measured
  CHECK(after(2, 0.02, 90) == Change::slower);
}

TEST_CASE("a comparison shows the lines that are in both runs", "[bench]") {
  Results before{.commit = "one"}, after{.commit = "two"};
  before.lines = {line("same", 1e-3, 0.01, 100), line("better", 1e-3, 0.01, 100), line("gone", 1e-3, 0.01, 100)};
  after.lines = {line("new", 1e-3, 0.01, 100), line("better", 5e-4, 0.01, 100), line("same", 1e-3, 0.01, 100)};
  const std::string text = comparison(before, after, 0.03);
  CHECK_THAT(text, Contains("A: one") && Contains("B: two") && Contains("0.500") && Contains("faster"));
  CHECK_THAT(text, Contains("2 lines in both: 1 faster, 0 slower, 1 noise"));
  CHECK_THAT(text, !Contains("gone") && !Contains("new"));
  after.lines = {line("new", 1e-3, 0.01, 100)};
  CHECK_THAT(comparison(before, after, 0.03), Contains("no line is in both"));
}

TEST_CASE("work is timed in turns", "[bench]") {
  // A stopwatch that knows how long each piece takes, and notes the order.
  class Noting : public Stopwatch {
   public:
    double seconds(const Work& work, int times) override {
      work(times);
      order.push_back(last);
      return last == 'a' ? 1e-4 : 2;
    }
    char last = 0;
    std::string order;
  };
  Noting stopwatch;
  int runs_of_a = 0;
  const std::vector<Work> pieces = {[&](int times) {
                                      stopwatch.last = 'a';
                                      runs_of_a += times;
                                    },
                                    [&](int) { stopwatch.last = 'b'; }};
  const auto seconds = time_in_turns(stopwatch, pieces, {.min_seconds = 0, .rounds = 3});
  // One estimate each, then a round, one in reverse, one as the first.
  CHECK(stopwatch.order == "ababbaab");
  CHECK(seconds[0] == std::vector<double>(3, 1e-4));
  CHECK(seconds[1] == std::vector<double>(3, 2));
  // Once to warm up, once to estimate, and as often as a sample of a millisecond needs, three times.
  CHECK(runs_of_a == 2 + 3 * 10);
  // Without a number of rounds: five at least, more where the seconds allow them.
  CHECK(time_in_turns(stopwatch, pieces, {.min_seconds = 1, .rounds = 0})[0].size() == 5);
  CHECK(time_in_turns(stopwatch, {pieces[0]}, {.min_seconds = 0.1, .rounds = 0})[0].size() == 50);
}

TEST_CASE("the table is 100 columns wide and shows durations with their unit", "[bench]") {
  CHECK(duration(1.234e-3) == "1.23 ms");
  CHECK(duration(45.67e-6) == "45.7 us");
  CHECK(duration(0.4567) == "457 ms");
  CHECK(duration(12.3) == "12.3 s");
  CHECK(duration(1e-10) == "0.10 ns");
  Line wide = line("1x1 1024>2048 14x14 /2, both, batch 128", 1e-3, 0.01, 100);
  wide.gates = "first half";
  wide.share_of_peak = 0.91;
  wide.ratio = around(0.5, 0.01);
  for (const std::string& text : {row(wide), column_names()}) {
    const std::string first = text.substr(0, text.find('\n'));
    CHECK(first.size() == 100);
  }
  CHECK_THAT(row(wide), Contains("1.00 ms") && Contains(" 2.0 ") && Contains("0.91") && Contains("0.500"));
}
