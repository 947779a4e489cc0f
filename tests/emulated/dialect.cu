#include "kernels/simt/simt.hpp"
#include "tests/emulated/dialect.hpp"

namespace bsg::test {

namespace {

using namespace simt;

__device__ unsigned linear(Index3 index, Index3 size) { return index.x + size.x * (index.y + size.y * index.z); }

__global__ void report_threads_kernel(ThreadReport* reports) {
  const Index3 t = thread(), b = block(), size = block_size(), grid = grid_size();
  reports[linear(b, grid) * (size.x * size.y * size.z) + linear(t, size)] = {
      {t.x, t.y, t.z}, {b.x, b.y, b.z}, {size.x, size.y, size.z}, {grid.x, grid.y, grid.z}, lane(), warp()};
}

__global__ void report_warps_kernel(const float* x, WarpReport* reports) {
  const float value = x[thread().x];
  WarpReport report;
  report.shuffled = shuffle(value, 31 - lane());
  report.up = shuffle_up(value, 3);
  report.down = shuffle_down(value, 3);
  report.crossed = shuffle_xor(value, 5);
  report.sum = warp_sum(value);
  report.max = warp_max(value);
  report.min = warp_min(value);
  report.shuffled_double = shuffle(static_cast<double>(value) + 0x1p-40, 31 - lane());
  report.positive = ballot(value > 0);
  report.any_large = any(value > 100);
  report.all_small = all(value < 1000);
  reports[thread().x] = report;
}

__global__ void rotate_kernel(const float* x, float* y, unsigned lanes) {
  const unsigned mine = (lanes >> lane() & 1u) != 0 ? lanes : ~lanes;
  const unsigned above = lane() == 31 ? 0 : mine >> (lane() + 1) << (lane() + 1);
  const auto next = static_cast<unsigned>(find_first(above != 0 ? above : mine));
  float result;
  if (mine == lanes) {
    result = shuffle(x[lane()], next, mine);
  } else {
    result = shuffle(x[lane()], next, mine);
  }
  y[lane()] = result;
}

constexpr unsigned kReversed = 256;
struct Reversed {
  float value[kReversed];
};

__global__ __launch_bounds__(kReversed) void reverse_kernel(const float* __restrict__ x, float* __restrict__ y) {
  auto& storage = shared<Reversed>();
  const unsigned i = thread().x, first = block().x * kReversed;
  storage.value[i] = x[first + i];
  sync_block();
  y[first + i] = storage.value[kReversed - 1 - i];
}

__global__ __launch_bounds__(kReversed) void reverse_warps_kernel(const float* __restrict__ x, float* __restrict__ y) {
  auto& storage = shared<Reversed>();
  const unsigned i = thread().x, first = block().x * kReversed;
  storage.value[i] = x[first + i];
  sync_warp();
  y[first + i] = storage.value[warp() * kWarp + 31 - lane()];
}

constexpr unsigned kReported = 96;

__global__ __launch_bounds__(kReported) void report_blocks_kernel(const float* x, BlockReport* reports) {
  auto& storage = shared<BlockSum<float, kReported>>();
  const float value = x[block().x * kReported + thread().x];
  // Twice, to use the storage again at once.
  const float half = block_sum<kReported>(storage, value * 0.5f);
  const float sum = block_sum<kReported>(storage, value * 0.5f) + half;
  const int positive = sync_block_count(value > 0);
  const bool any_nan = sync_block_any(value != value);
  // Every thread has it.
  if (thread().x == block().x % kReported) reports[block().x] = {sum, positive, any_nan ? 1 : 0};
}

struct LastBlock {
  BlockSum<float, 128> sum;
  bool last;
};

__global__ __launch_bounds__(128) void last_block_kernel(const float* x, std::size_t length, float* partial,
                                                         unsigned* ticket, float* sum) {
  auto& storage = shared<LastBlock>();
  float mine = 0;
  for (std::size_t i = block().x * 128u + thread().x; i < length; i += grid_size().x * 128u) mine += x[i];
  mine = block_sum<128>(storage.sum, mine);
  if (thread().x == 0) {
    partial[block().x] = mine;
    fence_device();
    storage.last = atomic_add(ticket, 1) + 1 == grid_size().x;
  }
  sync_block();
  if (!storage.last) return;
  if (thread().x == 0) {
    fence_device();
    float total = 0;
    for (unsigned i = 0; i < grid_size().x; ++i) total += static_cast<const volatile float*>(partial)[i];
    *sum = total;
  }
}

constexpr int kStages = 3;
constexpr unsigned kCopiers = 64;
template <int kBytes>
struct Stages {
  alignas(16) unsigned char bytes[kStages][kCopiers * kBytes];
};

template <int kBytes>
__global__ __launch_bounds__(kCopiers) void copy_kernel(const float* __restrict__ x, float* __restrict__ y,
                                                        std::size_t length) {
  auto& storage = shared<Stages<kBytes>>();
  constexpr int kElements = kBytes / static_cast<int>(sizeof(float));
  constexpr std::size_t kGranule = copy_granule<kBytes>();
  const std::size_t granules = (length + kGranule - 1) / kGranule;
  const unsigned mine = thread().x * kBytes;
  const auto begin_copy = [&](std::size_t granule) {
    if (granule < granules) {
      const std::size_t first = granule * kGranule + thread().x * kElements;
      if (first + kElements <= length) {
        copy_async<kBytes>(&storage.bytes[granule % kStages][mine], x + first);
      } else {
        copy_async_or_zero<kBytes>(&storage.bytes[granule % kStages][mine], x + first, false);
      }
    }
    commit_copies();
  };
  begin_copy(0);
  begin_copy(1);
  for (std::size_t granule = 0; granule < granules; ++granule) {
    wait_copies<1>();
    sync_block();  // this granule is there for all; all have read the one before, whose stage is filled next
    begin_copy(granule + 2);
    // Another thread's bytes.
    const unsigned other = (thread().x + 33) % kCopiers;
    const auto* from = reinterpret_cast<const float*>(&storage.bytes[granule % kStages][other * kBytes]);
    store(y + granule * kGranule + other * kElements, load<kElements>(from));
  }
}

template <class T, int N>
__global__ void copy_packs_kernel(const T* __restrict__ x, T* __restrict__ y, std::size_t length) {
  for (std::size_t i = (block().x * block_size().x + thread().x) * std::size_t{N}; i < length;
       i += grid_size().x * block_size().x * std::size_t{N})
    store(y + i, (i / N) % 2 == 0 ? load_read_only<N>(x + i) : load<N>(x + i));
}

__global__ void count_kernel(const int* x, unsigned length, unsigned long long* counts, float* float_counts,
                             int* highest, unsigned* first_seen) {
  const unsigned i = block().x * block_size().x + thread().x;
  if (i >= length) return;
  const int value = x[i];
  atomic_add(&counts[value], 1);
  atomic_add(&float_counts[value], 1);
  atomic_max(highest, value);
  unsigned seen = atomic_cas(&first_seen[value], 0u, i + 1);
  while (seen != 0 && seen > i + 1) {
    const unsigned before = atomic_cas(&first_seen[value], seen, i + 1);
    if (before == seen) break;
    seen = before;
  }
}

template <bool kTf32>
__global__ void multiply_kernel(const unsigned* a, const unsigned* b, const float* c, float* d) {
  unsigned ra[4], rb[2];
  float rc[4], rd[4];
  for (unsigned i = 0; i < 4; ++i) ra[i] = a[lane() * 4 + i];
  for (unsigned i = 0; i < 2; ++i) rb[i] = b[lane() * 2 + i];
  for (unsigned i = 0; i < 4; ++i) rc[i] = c[lane() * 4 + i];
  if constexpr (kTf32) {
    mma_m16n8k8_tf32(rd, ra, rb, rc);
  } else {
    mma_m16n8k16_bf16(rd, ra, rb, rc);
  }
  for (unsigned i = 0; i < 4; ++i) d[lane() * 4 + i] = rd[i];
}

struct MatrixRows {
  alignas(16) std::uint16_t element[32][8];
};

template <int kMatrices, bool kTransposed>
__global__ void load_matrices_kernel(const std::uint16_t* rows, unsigned* r) {
  auto& storage = shared<MatrixRows>();
  if (lane() < 8 * kMatrices)
    for (unsigned i = 0; i < 8; ++i) storage.element[lane()][i] = rows[lane() * 8 + i];
  sync_warp();
  unsigned result[kMatrices];
  const void* row = storage.element[lane() % (8 * kMatrices)];
  if constexpr (kMatrices == 4) {
    if constexpr (kTransposed) {
      load_matrix_x4_transposed(result, row);
    } else {
      load_matrix_x4(result, row);
    }
  } else {
    if constexpr (kTransposed) {
      load_matrix_x2_transposed(result, row);
    } else {
      load_matrix_x2(result, row);
    }
  }
  for (unsigned i = 0; i < kMatrices; ++i) r[lane() * kMatrices + i] = result[i];
}

__global__ void report_numbers_kernel(const float* x, NumberReport* reports, unsigned length) {
  const unsigned i = block().x * block_size().x + thread().x;
  if (i >= length) return;
  const float value = x[i], next = x[(i + 1) % length];
  NumberReport report;
  report.bfloat16 = to_bfloat16(value).bits;
  report.float16 = to_float16(value).bits;
  report.tf32 = to_tf32(value);
  report.packed = pack_bfloat16(value, next);
  report.from_bfloat16 = to_float(to_bfloat16(value));
  report.from_float16 = to_float(to_float16(value));
  report.exp2 = simt::exp2(value);
  report.log2 = simt::log2(value);
  report.rsqrt = simt::rsqrt(value);
  report.larger = maximum(value, next);
  report.smaller = minimum(value, next);
  report.popcount = popcount(bits_of(value));
  report.leading_zeros = leading_zeros(bits_of(value));
  report.find_first = find_first(bits_of(value));
  reports[i] = report;
}

unsigned blocks_of(std::size_t length, unsigned each) { return static_cast<unsigned>((length + each - 1) / each); }

}  // namespace

void report_threads(ThreadReport* reports, void* stream) {
  launch(report_threads_kernel, {kReportGrid[0], kReportGrid[1], kReportGrid[2]},
         {kReportBlock[0], kReportBlock[1], kReportBlock[2]}, stream, reports);
}

void report_warps(const float* x, WarpReport* reports, void* stream) {
  launch(report_warps_kernel, {1}, {64}, stream, x, reports);
}

void rotate_in_parties(const float* x, float* y, unsigned lanes, void* stream) {
  launch(rotate_kernel, {1}, {kWarp}, stream, x, y, lanes);
}

void reverse_blocks(const float* x, float* y, std::size_t length, void* stream) {
  launch<Reversed>(reverse_kernel, {blocks_of(length, kReversed)}, {kReversed}, stream, x, y);
}

void reverse_warps(const float* x, float* y, std::size_t length, void* stream) {
  launch<Reversed>(reverse_warps_kernel, {blocks_of(length, kReversed)}, {kReversed}, stream, x, y);
}

void report_blocks(const float* x, BlockReport* reports, unsigned blocks, void* stream) {
  launch<BlockSum<float, kReported>>(report_blocks_kernel, {blocks}, {kReported}, stream, x, reports);
}

void sum_by_last_block(const float* x, std::size_t length, float* partial, unsigned blocks, unsigned* ticket,
                       float* sum, void* stream) {
  launch<LastBlock>(last_block_kernel, {blocks}, {128}, stream, x, length, partial, ticket, sum);
}

template <int kBytes>
void copy_through_stages(const float* x, float* y, std::size_t length, void* stream) {
  launch<Stages<kBytes>>(copy_kernel<kBytes>, {1}, {kCopiers}, stream, x, y, length);
}
template void copy_through_stages<4>(const float*, float*, std::size_t, void*);
template void copy_through_stages<8>(const float*, float*, std::size_t, void*);
template void copy_through_stages<16>(const float*, float*, std::size_t, void*);

template <class T, int N>
void copy_packs(const T* x, T* y, std::size_t length, void* stream) {
  launch(copy_packs_kernel<T, N>, {3}, {64}, stream, x, y, length);
}
template void copy_packs<std::uint16_t, 1>(const std::uint16_t*, std::uint16_t*, std::size_t, void*);
template void copy_packs<std::uint16_t, 2>(const std::uint16_t*, std::uint16_t*, std::size_t, void*);
template void copy_packs<float, 2>(const float*, float*, std::size_t, void*);
template void copy_packs<float, 4>(const float*, float*, std::size_t, void*);

void count_values(const int* x, unsigned length, unsigned long long* counts, float* float_counts, int* highest,
                  unsigned* first_seen, void* stream) {
  launch(count_kernel, {blocks_of(length, 64)}, {64}, stream, x, length, counts, float_counts, highest, first_seen);
}

void multiply_bf16(const unsigned* a, const unsigned* b, const float* c, float* d, void* stream) {
  launch(multiply_kernel<false>, {1}, {kWarp}, stream, a, b, c, d);
}

void multiply_tf32(const unsigned* a, const unsigned* b, const float* c, float* d, void* stream) {
  launch(multiply_kernel<true>, {1}, {kWarp}, stream, a, b, c, d);
}

void load_matrices(const std::uint16_t* rows, unsigned* r, int matrices, bool transposed, void* stream) {
  const auto start = [&](void (*kernel)(const std::uint16_t*, unsigned*)) {
    launch<MatrixRows>(kernel, {1}, {kWarp}, stream, rows, r);
  };
  if (matrices == 4) return start(transposed ? load_matrices_kernel<4, true> : load_matrices_kernel<4, false>);
  start(transposed ? load_matrices_kernel<2, true> : load_matrices_kernel<2, false>);
}

void report_numbers(const float* x, NumberReport* reports, unsigned length, void* stream) {
  launch(report_numbers_kernel, {blocks_of(length, 64)}, {64}, stream, x, reports, length);
}

}  // namespace bsg::test
