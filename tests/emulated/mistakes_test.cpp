// Kernels with one mistake each, and what the emulator says of it. Nothing here is compiled for a GPU.
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/simt/emulator.hpp"
#include "kernels/simt/emulator/sanitizers.hpp"
#include "kernels/simt/graph.hpp"
#include "kernels/simt/runtime.hpp"
#include "kernels/simt/simt.hpp"
#include "tests/emulated/orders.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;
using namespace bsg::simt;

namespace {

// The message of the EmulationError that `body` ends with.
template <class Body>
std::string error_of(const Body& body) {
  try {
    body();
  } catch (const EmulationError& error) {
    return error.what();
  }
  return "(nothing was found)";
}

bool says(const std::string& message, const std::vector<std::string>& parts) {
  for (const std::string& part : parts)
    if (message.find(part) == std::string::npos) {
      UNSCOPED_INFO("'" << part << "' is not in: " << message);
      return false;
    }
  return true;
}

// A right launch: how many threads of `blocks` blocks of 64 passed a barrier.
int threads_that_ran(unsigned blocks) {
  DeviceArray<int> count(1);
  clear(count.data(), 0, sizeof(int));
  launch(
      +[](int* to) {
        sync_block();
        atomic_add(to, 1);
      },
      {blocks}, {64}, nullptr, count.data());
  return count.to_host()[0];
}

// In each thread order, a kernel that is right runs after the mistake: nothing of it stays behind.
template <class Body>
void expect_error(const std::vector<std::string>& parts, const Body& body) {
  test::for_each_order([&](std::string_view order) {
    INFO(order);
    const std::string message = error_of(body);
    REQUIRE(says(message, parts));
    REQUIRE(message.find('\n') == std::string::npos);
    REQUIRE(threads_that_ran(2) == 128);
  });
}

struct Values {
  alignas(16) float value[64];
};

// --- barriers ---

__global__ void neighbour_without_barrier(const float* x, float* y) {
  auto& storage = shared<Values>();
  storage.value[thread().x] = x[thread().x];
  y[thread().x] = storage.value[(thread().x + 1) % 64];
}

__global__ void lower_neighbour_without_barrier(const float* x, float* y) {
  auto& storage = shared<Values>();
  storage.value[thread().x] = x[thread().x];
  y[thread().x] = thread().x == 0 ? 0.0f : storage.value[thread().x - 1];
}

__global__ void early_return() {
  if (thread().x >= 40) return;
  sync_block();
}

__global__ void barrier_in_a_branch() {
  if (thread().x < 32) {
    sync_block();
  } else {
    sync_block();
  }
}

__global__ void barrier_and_shuffle(float* y) {
  if (warp() == 0) {
    sync_block();
  } else if (lane() < 8) {
    *y = shuffle(1.0f, 0);
  }
}

// --- warps ---

__global__ void early_lanes(float* y) {
  if (lane() >= 16) return;
  y[lane()] = shuffle_xor(1.0f, 1);
}

__global__ void divergent_shuffle(float* y) {
  if (lane() < 16) {
    y[lane()] = shuffle(1.0f, 0);
  } else {
    y[lane()] = shuffle(2.0f, 0);
  }
}

__global__ void two_operations(float* y) {
  if (lane() == 5) {
    y[lane()] = any(true) ? 1.0f : 0.0f;
  } else {
    y[lane()] = shuffle(2.0f, 0);
  }
}

__global__ void half_a_warp(float* y) {
  if (lane() < 16) y[lane()] = warp_sum(1.0f);
  sync_block();
}

__global__ void not_its_own_lane() { sync_warp(0x0000fffeu); }

__global__ void lane_outside(float* y) {
  if (lane() < 8) y[lane()] = shuffle(1.0f, 9, 0xffu);
}

__global__ void beyond_the_block() { sync_warp(); }

// --- memory ---

__global__ void uninitialised(float* y) { y[thread().x] = shared<Values>().value[thread().x]; }

__global__ void load_beyond(const float* x, float* y) { store(y + 4 * thread().x, load<4>(x + 4 * thread().x)); }
__global__ void store_before(float* y) { store(y - 4, Pack<float, 4>{}); }
__global__ void misaligned(const float* x, float* y) { store(y, load<4>(x + 1)); }
__global__ void write_beyond(float* y) { y[thread().x] = 1.0f; }
__global__ void shared_beyond() { shared<Values>().value[thread().x] = 1.0f; }
__global__ void matrix_beyond(unsigned* y) {
  unsigned r[4];
  load_matrix_x4(r, &shared<Values>().value[4 * lane()]);
  y[lane()] = r[0];
}
__global__ void atomic_nowhere(int* to) { atomic_add(to, 1); }
__global__ void larger_storage() {
  struct Larger {
    float value[65];
  };
  shared<Larger>().value[0] = 0.0f;
}

template <bool kWait>
__global__ void copy_values(const float* x, float* y) {
  auto& storage = shared<Values>();
  copy_async<4>(&storage.value[thread().x], x + thread().x);
  commit_copies();
  if (kWait) wait_copies<0>();
  sync_block();
  y[thread().x] = storage.value[(thread().x + 1) % 64];
}

// The last group is the one that is still awaited.
__global__ void wait_for_too_few(const float* x, float* y) {
  auto& storage = shared<Values>();
  copy_async<4>(&storage.value[thread().x], x + thread().x);
  commit_copies();
  wait_copies<1>();
  y[thread().x] = storage.value[thread().x];
}

__global__ void copy_into_what_is_read(const float* x, float* y) {
  auto& storage = shared<Values>();
  storage.value[thread().x] = x[thread().x];
  sync_block();
  y[thread().x] = storage.value[63 - thread().x];
  copy_async<4>(&storage.value[thread().x], x + thread().x);  // the same values again
  commit_copies();
  sync_warp();
  wait_copies<0>();
}

__global__ void copy_to_device_memory(const float* x, float* y) { copy_async<4>(y, x); }
__global__ void copy_from_beyond(const float* x) { copy_async<16>(shared<Values>().value, x + 64); }
__global__ void copy_misaligned(const float* x) { copy_async<8>(&shared<Values>().value[1], x); }

// --- the rest ---

__global__ void throwing() {
  sync_block();
  if (block().x == 2 && block().y == 1 && thread().x == 33) throw std::logic_error("a table is missing");
  sync_block();
}
__global__ void launching() { launch(early_return, {1}, {64}, nullptr); }
__global__ void nothing() {}

std::vector<float> ramp() {
  std::vector<float> x(64);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i + 1);
  return x;
}

// In how many of the three thread orders, with one seed of the shuffled one, the kernel's result is not `right`.
template <class Kernel>
int wrong_orders(Kernel kernel, const std::vector<float>& right) {
  int wrong = 0;
  for (const ThreadOrder order : {ThreadOrder::forward, ThreadOrder::reverse, ThreadOrder::shuffled}) {
    const ScopedEmulatorOptions scope({.order = order});
    DeviceArray<float> x(ramp()), y(64);
    launch<Values>(kernel, {1}, {64}, nullptr, x.data(), y.data());
    wrong += y.to_host() == right ? 0 : 1;
  }
  return wrong;
}

}  // namespace

TEST_CASE("a missing barrier gives a wrong result") {
  if (emulator::kThreadSanitizer) return;  // which reports the race itself: races/races.cpp
  std::vector<float> next = ramp(), previous = ramp();
  for (std::size_t i = 0; i < 64; ++i) {
    next[i] = static_cast<float>((i + 1) % 64 + 1);
    previous[i] = static_cast<float>(i);
  }
  REQUIRE(wrong_orders(neighbour_without_barrier, next) == 3);
  // Forward, every thread finds what its lower neighbour wrote before it: one order is not enough.
  REQUIRE(wrong_orders(lower_neighbour_without_barrier, previous) == 2);
}

TEST_CASE("a barrier that some threads do not reach") {
  expect_error({"no thread can go on", "threads 0-39 wait in sync_block at tests/emulated/mistakes_test.cpp:",
                "threads 40-63 have returned", "block (0, 0, 0)", "kernel launched by "},
               [] { launch(early_return, {1}, {64}, nullptr); });
  expect_error({"sync_block at", "mistakes_test.cpp", " is in sync_block at "},
               [] { launch(barrier_in_a_branch, {1}, {64}, nullptr); });
  DeviceArray<float> y(1);
  expect_error({"threads 0-31 wait in sync_block", "threads 32-39 wait in shuffle", "for lanes 8-31 of warp 1",
                "threads 40-63 have returned"},
               [&] {
                 const ScopedEmulatorOptions forward({.order = ThreadOrder::forward});
                 launch(barrier_and_shuffle, {1}, {64}, nullptr, y.data());
               });
}

TEST_CASE("a warp operation that some of its lanes do not reach") {
  DeviceArray<float> y(64);
  // Whoever comes first sees that lanes have returned, or waits until no thread can go on.
  test::for_each_order([&](std::string_view order) {
    INFO(order);
    const std::string message = error_of([&] { launch(early_lanes, {1}, {32}, nullptr, y.data()); });
    REQUIRE(says(message, {"shuffle at tests/emulated/mistakes_test.cpp:", "returned"}));
  });
  expect_error({"shuffle at", ": lane ", " is in shuffle at "},
               [&] { launch(divergent_shuffle, {1}, {32}, nullptr, y.data()); });
  expect_error({"lane ", " is in "}, [&] { launch(two_operations, {1}, {32}, nullptr, y.data()); });
  expect_error({"threads 0-15 wait in shuffle", "for lanes 16-31 of warp 0", "threads 16-31 wait in sync_block"},
               [&] { launch(half_a_warp, {1}, {32}, nullptr, y.data()); });
  expect_error({"sync_warp", "lanes 0x0000fffe are without the calling lane "},
               [] { launch(not_its_own_lane, {1}, {32}, nullptr); });
  expect_error({"shuffle", "reads lane 9, which is not among its lanes"},
               [&] { launch(lane_outside, {1}, {32}, nullptr, y.data()); });
  expect_error({"sync_warp", "is beyond the 20 threads of the block"},
               [] { launch(beyond_the_block, {1}, {20}, nullptr); });
}

TEST_CASE("fresh memory is poisoned") {
  DeviceArray<float> y(64);
  REQUIRE(std::isnan(y.to_host()[0]));
  // Also where the block before has written: two blocks on one OS thread.
  launch<Values>(
      +[](float* to) {
        if (block().x == 1) to[thread().x] = shared<Values>().value[thread().x];
        shared<Values>().value[thread().x] = 1.0f;
      },
      {2}, {64}, nullptr, y.data());
  for (const float value : y.to_host()) REQUIRE(std::isnan(value));
  launch<Values>(uninitialised, {1}, {64}, nullptr, y.data());
  for (const float value : y.to_host()) REQUIRE(std::isnan(value));
}

TEST_CASE("an access outside memory or across an alignment") {
  DeviceArray<float> x(ramp()), y(68);
  expect_error({"load at tests/emulated/mistakes_test.cpp:", "bytes [256, 272) of an allocation of 256 bytes",
                "thread (16, 0, 0)"},
               [&] {
                 const ScopedEmulatorOptions forward({.order = ThreadOrder::forward});
                 launch(load_beyond, {1}, {17}, nullptr, x.data(), y.data());
               });
  expect_error({"store at", "bytes [-16, 0) of an allocation of 272 bytes"},
               [&] { launch(store_before, {1}, {1}, nullptr, y.data()); });
  expect_error({"load at", "16 bytes at 0x", "which is no multiple of 16"},
               [&] { launch(misaligned, {1}, {1}, nullptr, x.data(), y.data()); });
  expect_error({"load_matrix_x4 at", "of an allocation of 256 bytes (shared storage)"}, [&] {
    DeviceArray<unsigned> r(32);
    launch<Values>(matrix_beyond, {1}, {32}, nullptr, r.data());
  });
  expect_error({"atomic_add at", "which is no device memory"}, [] {
    int here = 0;
    launch(atomic_nowhere, {1}, {1}, nullptr, &here);
  });
  expect_error({"shared at", "a storage of 260 bytes in a kernel launched with 256"},
               [] { launch<Values>(larger_storage, {1}, {1}, nullptr); });
}

TEST_CASE("guards find what plain writes leave outside an allocation") {
  if (emulator::kAddressSanitizer) return;  // which ends the program at the write itself
  expect_error({"kernel launched by ", "byte 252 of an allocation of 252 bytes was written"}, [] {
    DeviceArray<float> y(63);
    launch(write_beyond, {1}, {64}, nullptr, y.data());
  });
  expect_error({"block (0, 0, 0)", "byte 256 of 256 bytes of shared storage was written"},
               [] { launch<Values>(shared_beyond, {1}, {65}, nullptr); });
  expect_error({"synchronize: byte -1 of an allocation of 4 bytes was written"}, [] {
    DeviceArray<float> y(1);
    reinterpret_cast<char*>(y.data())[-1] = 0;
    synchronize();
  });
  expect_error({"release: byte 4 of an allocation of 4 bytes was written"}, [] {
    void* y = allocate(4);
    static_cast<char*>(y)[4] = 0;
    release(y);
  });
}

TEST_CASE("an asynchronous copy that is not waited for, or comes too early") {
  std::vector<float> next = ramp(), mirrored = ramp();
  for (std::size_t i = 0; i < 64; ++i) {
    next[i] = static_cast<float>((i + 1) % 64 + 1);
    mirrored[i] = static_cast<float>(64 - i);
  }
  REQUIRE(wrong_orders(copy_values<true>, next) == 0);
  REQUIRE(wrong_orders(copy_values<false>, next) == 3);
  REQUIRE(wrong_orders(wait_for_too_few, ramp()) == 3);
  if (!emulator::kThreadSanitizer) REQUIRE(wrong_orders(copy_into_what_is_read, mirrored) == 3);

  DeviceArray<float> x(ramp()), y(64);
  expect_error({"copy_async at", "an address outside shared storage"},
               [&] { launch<Values>(copy_to_device_memory, {1}, {1}, nullptr, x.data(), y.data()); });
  expect_error({"copy_async at", "bytes [256, 272) of an allocation of 256 bytes"},
               [&] { launch<Values>(copy_from_beyond, {1}, {1}, nullptr, x.data()); });
  expect_error({"copy_async at", "which is no multiple of 8"},
               [&] { launch<Values>(copy_misaligned, {1}, {1}, nullptr, x.data()); });
}

TEST_CASE("an exception in a kernel comes out of the launch, with its block and thread") {
  expect_error({"block (2, 1, 0), thread (33, 0, 0) threw: a table is missing"}, [] {
    launch(throwing, {3, 2}, {64}, nullptr);
  });
}

TEST_CASE("launches that CUDA would refuse") {
  REQUIRE_THROWS_WITH(launch(nothing, {1}, {1025}, nullptr), Catch::Contains("a block of (1025, 1, 1) threads"));
  REQUIRE_THROWS_WITH(launch(nothing, {1}, {0}, nullptr), Catch::Contains("a block of (0, 1, 1) threads"));
  REQUIRE_THROWS_WITH(launch(nothing, {1, 65536}, {1}, nullptr), Catch::Contains("a grid of (1, 65536, 1) blocks"));
  struct Huge {
    char bytes[232449];
  };
  REQUIRE_THROWS_WITH(launch<Huge>(nothing, {1}, {1}, nullptr), Catch::Contains("232449 bytes of shared storage"));
  REQUIRE_THROWS_AS(launch<Huge>(nothing, {1}, {1}, nullptr), LaunchError);
}

TEST_CASE("calls in the wrong place") {
  REQUIRE_THROWS_WITH(sync_block(), Catch::Contains("outside a kernel"));
  REQUIRE_THROWS_WITH(launch(launching, {1}, {1}, nullptr), Catch::Contains("a kernel called launch"));
  float here = 0;
  DeviceArray<float> there(1);
  REQUIRE_THROWS_WITH(copy_to_host(&here, there.data(), 8),
                      Catch::Contains("copy_to_host: bytes [0, 8) of an allocation of 4 bytes"));
  REQUIRE_THROWS_WITH(copy_to_device(&here, &here, 4), Catch::Contains("copy_to_device: 4 bytes at"));
  REQUIRE_THROWS_WITH(clear(there.data() + 1, 0, 4), Catch::Contains("clear: bytes [4, 8)"));
  REQUIRE_THROWS_WITH(release(&here), Catch::Contains("not the begin of an allocation"));
}

TEST_CASE("options last for their scope and order the threads") {
  const auto visits = [](const EmulatorOptions& options) {
    const ScopedEmulatorOptions scope(options);
    DeviceArray<int> order(65);
    clear(order.data(), 0, sizeof(int));
    launch(
        +[](int* to) { to[1 + atomic_add(to, 1)] = static_cast<int>(thread().x); }, {1}, {64}, nullptr, order.data());
    std::vector<int> all = order.to_host();
    all.erase(all.begin());
    return all;
  };
  std::vector<int> ascending(64), descending(64);
  for (int i = 0; i < 64; ++i) {
    ascending[static_cast<std::size_t>(i)] = i;
    descending[static_cast<std::size_t>(i)] = 63 - i;
  }
  REQUIRE(visits({.order = ThreadOrder::forward}) == ascending);
  REQUIRE(visits({.order = ThreadOrder::reverse}) == descending);
  const std::vector<int> one = visits({.order = ThreadOrder::shuffled, .seed = 1});
  REQUIRE(one == visits({.order = ThreadOrder::shuffled, .seed = 1}));
  REQUIRE(one != visits({.order = ThreadOrder::shuffled, .seed = 2}));
  REQUIRE(one != ascending);
  REQUIRE(visits({}) == ascending);
}

TEST_CASE("blocks run on several OS threads, and a mistake in one ends the launch") {
  const ScopedEmulatorOptions scope({.os_threads = 4});
  REQUIRE(threads_that_ran(100) == 6400);
  const std::string message = error_of([] { launch(throwing, {3, 2}, {64}, nullptr); });
  REQUIRE(says(message, {", 1, 0), thread (33, 0, 0) threw: a table is missing"}));
}

TEST_CASE("while a stream is captured nothing waits, allocates or touches the host") {
  void* const stream = create_stream();
  DeviceArray<float> x(4);
  float value = 0;
  REQUIRE_THROWS_WITH(begin_capture(nullptr), Catch::Contains("default stream"));
  REQUIRE_THROWS_AS(end_capture(stream), EmulationError);
  begin_capture(stream);
  CHECK_THROWS_WITH(synchronize(stream), Catch::Contains("synchronize"));
  CHECK_THROWS_WITH(allocate(4), Catch::Contains("allocate"));
  CHECK_THROWS_WITH(copy_to_host(&value, x.data(), 4, stream), Catch::Contains("copy_to_host"));
  CHECK_THROWS_WITH(copy_to_device(x.data(), &value, 4, stream), Catch::Contains("copy_to_device"));
  CHECK_THROWS_WITH(begin_capture(stream), Catch::Contains("begin_capture"));
  destroy_graph(end_capture(stream));
  synchronize(stream);
  destroy_stream(stream);
}
