#include "benchmarks/bsg_bench/timing.hpp"
#include "engine/core/error.hpp"
#include "kernels/backend/backend.hpp"

namespace bsg::bench {
namespace {

class DeviceStopwatch : public Stopwatch {
 public:
  DeviceStopwatch(const kernels::DeviceRuntime& runtime, void* stream, std::size_t flush_bytes)
      : runtime_(runtime), stream_(stream), flush_bytes_(flush_bytes) {
    if (flush_bytes == 0) return;
    flushed_ = runtime.allocate(flush_bytes, stream);
    if (flushed_ == nullptr) throw_error<OutOfMemory>("--cache cold: no {} bytes to overwrite the cache", flush_bytes);
  }
  ~DeviceStopwatch() override {
    runtime_.release(flushed_, stream_);
    runtime_.destroy_event(begin_);
    runtime_.destroy_event(end_);
  }
  DeviceStopwatch(const DeviceStopwatch&) = delete;
  DeviceStopwatch& operator=(const DeviceStopwatch&) = delete;

  double seconds(const Work& work, int times) override {
    if (flush_bytes_ == 0) return timed(work, times) / times;
    double sum = 0;
    for (int time = 0; time < times; ++time) {
      runtime_.clear(flushed_, time & 0xff, flush_bytes_, stream_);
      sum += timed(work, 1);
    }
    return sum / times;
  }

 private:
  double timed(const Work& work, int times) {
    runtime_.record_event(begin_, stream_);
    work(times);
    runtime_.record_event(end_, stream_);
    return 1e-3 * runtime_.elapsed_milliseconds(begin_, end_);
  }

  const kernels::DeviceRuntime& runtime_;
  void* stream_;
  std::size_t flush_bytes_;
  void* flushed_ = nullptr;
  void* begin_ = runtime_.create_event();
  void* end_ = runtime_.create_event();
};

}  // namespace

std::unique_ptr<Stopwatch> device_stopwatch(const kernels::DeviceRuntime& runtime, void* stream,
                                            std::size_t flush_bytes) {
  return std::make_unique<DeviceStopwatch>(runtime, stream, flush_bytes);
}

}  // namespace bsg::bench
