// Times pieces of work in turns: machines drift, so what is compared is run side by side.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

namespace bsg::kernels {
struct DeviceRuntime;
}

namespace bsg::bench {

// Does something so many times.
using Work = std::function<void(int times)>;

// Measures what it runs.
class Stopwatch {
 public:
  virtual ~Stopwatch() = default;
  // Seconds that work(times) took, for each time.
  virtual double seconds(const Work& work, int times) = 0;
};

// Wall clock, or the processor time of the whole process.
std::unique_ptr<Stopwatch> host_stopwatch(bool processor_time);

// The device's own clock, by events on the stream. Work is timed back to back; with flush_bytes > 0 every run on its
// own, after so many bytes were written, so that nothing of it is left in a cache of half that size. The runtime
// outlives the stopwatch.
std::unique_ptr<Stopwatch> device_stopwatch(const kernels::DeviceRuntime& runtime, void* stream,
                                            std::size_t flush_bytes);

struct Effort {
  double min_seconds = 0.3;  // to be spent on each piece of work
  int rounds = 0;            // or so many rounds, if > 0
};

// seconds[i][r]: one time of work i in round r. Every piece is run once before anything is timed. A sample repeats
// short work; each round takes one sample of every piece, every second round in reverse.
std::vector<std::vector<double>> time_in_turns(Stopwatch& stopwatch, const std::vector<Work>& pieces,
                                               const Effort& effort);

}  // namespace bsg::bench
