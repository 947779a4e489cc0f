// Work that is recorded on a stream, to be launched later.
#include "kernels/simt/graph.hpp"

#include <vector>

#include "kernels/elementwise/elementwise_device.hpp"
#include "kernels/simt/runtime.hpp"
#include "tests/emulated/stream.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;
using namespace bsg::simt;
using bsg::test::Stream;

namespace {

// x += y
void add(void* stream, DeviceArray<float>& x, const DeviceArray<float>& y) {
  kernels::device::add<float>({.stream = stream}, static_cast<std::int64_t>(x.size()), x.data(), y.data(), x.data());
}

}  // namespace

TEST_CASE("a graph does what was recorded, each time it is launched and not before") {
  const Stream recorded, other;
  DeviceArray<float> x(std::vector<float>{1, 2, 3, 4}), y(std::vector<float>{0, 0, 0, 0}),
      little(std::vector<float>{1.5F, 1.5F, 1.5F, 1.5F}), much(std::vector<float>{10, 10, 10, 10});
  begin_capture(recorded.stream);
  add(recorded.stream, x, little);
  copy_on_device(y.data(), x.data(), 3 * sizeof(float), recorded.stream);
  clear(x.data(), 0, sizeof(float), recorded.stream);
  // What other streams do is done.
  add(other.stream, x, much);
  void* const graph = end_capture(recorded.stream);
  synchronize(other.stream);
  CHECK(x.to_host() == std::vector<float>{11, 12, 13, 14});
  launch_graph(graph, other.stream);
  synchronize(other.stream);
  CHECK(x.to_host() == std::vector<float>{0, 13.5F, 14.5F, 15.5F});
  CHECK(y.to_host() == std::vector<float>{12.5F, 13.5F, 14.5F, 0});
  launch_graph(graph, recorded.stream);
  synchronize(recorded.stream);
  CHECK(x.to_host() == std::vector<float>{0, 15, 16, 17});
  CHECK(y.to_host() == std::vector<float>{1.5F, 15, 16, 0});
  destroy_graph(graph);
  destroy_graph(nullptr);
}
