// Kernels that are right but for one race for shared storage. The tests run each under
// ThreadSanitizer and look for the two lines marked with the race's name.
//   emulated_races NAME forward|reverse
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "kernels/simt/emulator.hpp"
#include "kernels/simt/runtime.hpp"
#include "kernels/simt/simt.hpp"

using namespace bsg::simt;

namespace {

constexpr unsigned kThreads = 64;

struct Values {
  alignas(16) float value[kThreads];
};

__global__ void missing_barrier(float* y) {
  auto& storage = shared<Values>();
  storage.value[thread().x] = 1.0f;                 // race: missing_barrier first
  y[thread().x] = storage.value[thread().x ^ 32u];  // race: missing_barrier second
}

// A buffer that is filled again while others still read it.
__global__ void missing_second_barrier(float* y) {
  auto& storage = shared<Values>();
  float sum = 0;
  for (int round = 0; round < 3; ++round) {
    storage.value[thread().x] = static_cast<float>(round);  // race: missing_second_barrier first
    sync_block();
    sum += storage.value[thread().x ^ 32u];  // race: missing_second_barrier second
  }
  y[thread().x] = sum;
}

// Lanes of one warp, which shuffles do not put in order.
__global__ void missing_sync_warp(float* y) {
  auto& storage = shared<Values>();
  storage.value[thread().x] = 1.0f;  // race: missing_sync_warp first
  const float one = shuffle(1.0f, 3);
  y[thread().x] = one + storage.value[thread().x ^ 1u];  // race: missing_sync_warp second
}

// Each thread sees its own copies after the wait, another one's only after a barrier.
__global__ void copy_without_barrier(const float* x, float* y) {
  auto& storage = shared<Values>();
  copy_async<4>(&storage.value[thread().x], x + thread().x);  // race: copy_without_barrier first
  commit_copies();
  wait_copies<0>();
  y[thread().x] = storage.value[thread().x ^ 32u];  // race: copy_without_barrier second
}

__global__ void matrix_without_sync_warp(unsigned* y) {
  auto& storage = shared<Values>();
  unsigned r[2];
  store(&storage.value[4 * (lane() % 16)], Pack<float, 4>{});  // race: matrix_without_sync_warp first
  load_matrix_x2(r, &storage.value[4 * (15 - lane() % 16)]);   // race: matrix_without_sync_warp second
  y[thread().x] = r[0];
}

__global__ void two_writers() {
  auto& storage = shared<Values>();
  if (thread().x == 3) storage.value[0] = 1.0f;   // race: two_writers first
  if (thread().x == 40) storage.value[0] = 1.0f;  // race: two_writers second
}

bool run(std::string_view name) {
  DeviceArray<float> x(kThreads), y(kThreads);
  DeviceArray<unsigned> r(kThreads);
  clear(x.data(), 0, kThreads * sizeof(float));
  const auto start = [](auto* kernel, auto... arguments) {
    launch<Values>(kernel, {1}, {kThreads}, nullptr, arguments...);
  };
  if (name == "missing_barrier") return start(missing_barrier, y.data()), true;
  if (name == "missing_second_barrier") return start(missing_second_barrier, y.data()), true;
  if (name == "missing_sync_warp") return start(missing_sync_warp, y.data()), true;
  if (name == "copy_without_barrier") return start(copy_without_barrier, x.data(), y.data()), true;
  if (name == "matrix_without_sync_warp")
    return launch<Values>(matrix_without_sync_warp, {1}, {kWarp}, nullptr, r.data()), true;
  if (name == "two_writers") return start(two_writers), true;
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  const bool reverse = argc == 3 && std::string_view(argv[2]) == "reverse";
  const ScopedEmulatorOptions scope({.order = reverse ? ThreadOrder::reverse : ThreadOrder::forward});
  if (argc != 3 || !run(argv[1])) {
    std::fprintf(stderr, "usage: emulated_races NAME forward|reverse\n");
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
