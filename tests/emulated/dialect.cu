#include "kernels/simt/simt.hpp"
#include "tests/emulated/dialect.hpp"

namespace bsg::test {

namespace {

using namespace simt;

constexpr unsigned kThreads = 256;

struct ReverseStorage {
  float value[kThreads];
};

__global__ __launch_bounds__(kThreads) void reverse_kernel(const float* __restrict__ x, float* __restrict__ y) {
  ReverseStorage& storage = shared<ReverseStorage>();
  const unsigned i = thread().x, first = block().x * kThreads;
  storage.value[i] = x[first + i];
  sync_block();
  y[first + i] = storage.value[kThreads - 1 - i];
}

}  // namespace

void reverse_blocks(const float* x, float* y, std::size_t length, void* stream) {
  launch<ReverseStorage>(reverse_kernel, {static_cast<unsigned>(length / kThreads)}, {kThreads}, stream, x, y);
}

}  // namespace bsg::test
