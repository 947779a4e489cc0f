// Work that the emulator does as late as a GPU may, and the mistakes of a host program that this shows. The emulator's
// alone: on a GPU such mistakes show now and then.
#include <cmath>
#include <vector>

#include "kernels/elementwise/elementwise_device.hpp"
#include "kernels/simt/emulator.hpp"
#include "kernels/simt/graph.hpp"
#include "kernels/simt/runtime.hpp"
#include "tests/emulated/stream.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;
using namespace bsg::simt;
using bsg::test::Stream;

namespace {

struct Event {
  Event() : event(create_event()) {}
  ~Event() { destroy_event(event); }
  void* const event;
};
struct Pinned {
  explicit Pinned(std::vector<float> values)
      : data(static_cast<float*>(allocate_pinned(values.size() * sizeof(float)))), count(values.size()) {
    std::copy(values.begin(), values.end(), data);
  }
  ~Pinned() { release_pinned(data); }
  std::vector<float> values() const { return {data, data + count}; }
  float* const data;
  const std::size_t count;
};

using Values = std::vector<float>;
constexpr std::size_t kBytes = 2 * sizeof(float);
constexpr EmulatorOptions kLate{.queued_work = QueuedWork::late};

// to = 2 * from
void twice(void* stream, const DeviceArray<float>& from, DeviceArray<float>& to) {
  kernels::device::add<float>({.stream = stream}, 2, from.data(), from.data(), to.data());
}

}  // namespace

TEST_CASE("late work: pinned memory is read when the copy is done, other memory when it is queued") {
  const ScopedEmulatorOptions late(kLate);
  const Stream s;
  DeviceArray<float> x(2), y(2);
  Pinned pinned({1, 2});
  Values plain{3, 4};
  copy_to_device(x.data(), pinned.data, kBytes, s.stream);
  copy_to_device(y.data(), plain.data(), kBytes, s.stream);
  pinned.data[0] = 7;  // too early
  plain[0] = 7;
  synchronize(s.stream);
  CHECK(x.to_host() == Values{7, 2});
  CHECK(y.to_host() == Values{3, 4});
}

TEST_CASE("late work: what is on its way to the host is not there before it was waited for") {
  const ScopedEmulatorOptions late(kLate);
  const Stream s;
  const Event copied;
  DeviceArray<float> x(Values{1, 2}), y(2);
  Pinned to({0, 0});
  twice(s.stream, x, y);
  copy_to_host_later(to.data, y.data(), kBytes, s.stream);
  record_event(copied.event, s.stream);
  twice(s.stream, y, x);
  CHECK(std::isnan(to.data[0]));
  synchronize_event(copied.event);
  CHECK(to.values() == Values{2, 4});
  CHECK(x.to_host() == Values{1, 2});  // what was queued behind the event still waits
  synchronize(s.stream);
  CHECK(x.to_host() == Values{4, 8});
}

TEST_CASE("late work: streams know nothing of each other but through events") {
  const ScopedEmulatorOptions late(kLate);
  for (const bool waits : {true, false}) {
    INFO("waits " << waits);
    const Stream first, second;
    const Event written;
    DeviceArray<float> x(Values{1, 2}), y(Values{0, 0}), z(Values{0, 0});
    twice(first.stream, x, y);
    record_event(written.event, first.stream);
    if (waits) wait_for_event(second.stream, written.event);
    twice(second.stream, y, z);
    synchronize(second.stream);
    CHECK(z.to_host() == (waits ? Values{4, 8} : Values{0, 0}));
    CHECK(elapsed_milliseconds(written.event, written.event) == 0);
  }
}

TEST_CASE("late work: a graph, and memory that goes while it waits") {
  const ScopedEmulatorOptions late(kLate);
  const Stream s;
  DeviceArray<float> x(Values{1, 2}), y(2);
  void* const memory = allocate(kBytes, s.stream);
  begin_capture(s.stream);
  copy_on_device(memory, x.data(), kBytes, s.stream);
  copy_on_device(y.data(), memory, kBytes, s.stream);
  void* const graph = end_capture(s.stream);
  launch_graph(graph, s.stream);
  release(memory, s.stream);
  destroy_graph(graph);
  CHECK(std::isnan(y.to_host()[0]));
  synchronize(s.stream);
  CHECK(y.to_host() == Values{1, 2});
}

TEST_CASE("late work: a mistake is told to whoever waits, and what waits is done before work that does not") {
  DeviceArray<float> x(Values{1, 2}), y(2);
  const Stream s;
  {
    const ScopedEmulatorOptions late(kLate);
    twice(s.stream, x, y);
    clear(y.data() + 1, 0, kBytes, s.stream);
    CHECK_THROWS_AS(synchronize(s.stream), EmulationError);
    CHECK(y.to_host() == Values{2, 4});
    twice(s.stream, y, x);
  }
  twice(s.stream, x, y);
  CHECK(y.to_host() == Values{8, 16});
}
