#include <algorithm>

#include "kernels/common/vectors_device.hpp"
#include "kernels/sgd/sgd_device.hpp"
#include "kernels/simt/simt.hpp"

namespace bsg::kernels::device {
namespace {

// What a block treats: each thread four vectors, so that a block's start is worth it and small tensors are not many
// blocks.
constexpr std::int64_t kChunk = 4096;

struct Table {
  SgdTensor tensors[kSgdTensors];
  unsigned first_block[kSgdTensors];  // ascending; a tensor's blocks follow each other
  int count = 0;
};

struct Rule {
  float learning_rate, weight_decay, momentum;
  bool nesterov;

  template <int N>
  __device__ void apply(const SgdTensor& t, std::int64_t i) const {
    const auto g = load_floats<N>(t.gradient + i);
    auto v = load_floats<N>(t.velocity + i), x = load_floats<N>(t.value + i);
    for (int k = 0; k < N; ++k) {
      const float slope = g.v[k] + weight_decay * x.v[k];
      v.v[k] = momentum * v.v[k] + slope;
      x.v[k] -= learning_rate * (nesterov ? slope + momentum * v.v[k] : v.v[k]);
    }
    store_floats(t.velocity + i, v);
    store_floats(t.value + i, x);
  }
};

__device__ bool in_vectors(const SgdTensor& t) {
  return ((reinterpret_cast<std::uintptr_t>(t.gradient) | reinterpret_cast<std::uintptr_t>(t.value) |
           reinterpret_cast<std::uintptr_t>(t.velocity)) &
          15) == 0;
}

__global__ void __launch_bounds__(kElementThreads) step_tensors(Table table, Rule rule) {
  const unsigned block = simt::block().x;
  int at = 0;  // the last tensor that begins at this block or before
  for (int end = table.count; end - at > 1;) {
    const int middle = (at + end) / 2;
    if (table.first_block[middle] <= block) {
      at = middle;
    } else {
      end = middle;
    }
  }
  const SgdTensor t = table.tensors[at];
  std::int64_t i = (block - table.first_block[at]) * kChunk;
  const std::int64_t end = i + kChunk < t.count ? i + kChunk : t.count;
  constexpr int kWidth = kVector<float>;
  if (in_vectors(t)) {
    const std::int64_t vectors = (end - i) / kWidth;
    for (std::int64_t v = simt::thread().x; v < vectors; v += kElementThreads) rule.apply<kWidth>(t, i + v * kWidth);
    i += vectors * kWidth;
  }
  for (i += simt::thread().x; i < end; i += kElementThreads) rule.apply<1>(t, i);
}

}  // namespace

void sgd_step(const Launch& launch, const SgdStep& step, std::span<const SgdTensor> tensors) {
  const Rule rule{static_cast<float>(step.learning_rate), static_cast<float>(step.weight_decay),
                  static_cast<float>(step.momentum), step.nesterov};
  while (!tensors.empty()) {
    const auto taken = tensors.first(std::min<std::size_t>(tensors.size(), kSgdTensors));
    tensors = tensors.subspan(taken.size());
    Table table;
    unsigned blocks = 0;
    for (const SgdTensor& tensor : taken) {
      if (tensor.count == 0) continue;
      table.tensors[table.count] = tensor;
      table.first_block[table.count++] = blocks;
      blocks += static_cast<unsigned>((tensor.count + kChunk - 1) / kChunk);
    }
    static_assert(sizeof(Table) + sizeof(Rule) <= 4096);
    simt::launch(step_tensors, {blocks}, {kElementThreads}, launch.stream, table, rule);
  }
}

}  // namespace bsg::kernels::device
