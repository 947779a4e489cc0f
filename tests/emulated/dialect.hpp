// Kernels that together use every function of the dialect: both compilers compile them, and the tests of this folder
// run them. Pointers are device pointers.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bsg::test {

// Where a thread finds itself.
struct ThreadReport {
  unsigned thread[3], block[3], block_size[3], grid_size[3], lane, warp;
};
// reports: [blocks * threads], by linear block and linear thread; a grid of (2, 3, 2) blocks of (5, 4, 3) threads.
inline constexpr unsigned kReportGrid[3] = {2, 3, 2}, kReportBlock[3] = {5, 4, 3};
void report_threads(ThreadReport* reports, void* stream);

// What the operations of a warp gave one lane.
struct WarpReport {
  float shuffled, up, down, crossed, sum, max, min;
  double shuffled_double;
  unsigned positive;
  int any_large, all_small;
};
// x: [64] values, one for each thread of a block of two warps; reports: [64]. shuffled is the value of lane
// 31 - lane(), up and down of a distance of 3, crossed of lane ^ 5; positive: the lanes with x > 0, any_large: whether
// x > 100 anywhere, all_small: whether x < 1000 everywhere.
void report_warps(const float* x, WarpReport* reports, void* stream);

// One warp in two parties, the lanes of `lanes` and the others, each exchanging among itself: y[lane] = the x of the
// party's next higher lane, of its lowest one for the highest.
void rotate_in_parties(const float* x, float* y, unsigned lanes, void* stream);

// y = x reversed within each block's 256 elements; length a multiple of 256.
void reverse_blocks(const float* x, float* y, std::size_t length, void* stream);
// The same within each warp's 32 elements, through shared storage and sync_warp.
void reverse_warps(const float* x, float* y, std::size_t length, void* stream);

// For each of `blocks` blocks of 96 elements: their sum, how many are positive, whether any is NaN.
struct BlockReport {
  float sum;
  int positive, any_nan;
};
void report_blocks(const float* x, BlockReport* reports, unsigned blocks, void* stream);

// The sum of x[0, length), by the block that finishes last; partial: [blocks], ticket: 0.
void sum_by_last_block(const float* x, std::size_t length, float* partial, unsigned blocks, unsigned* ticket,
                       float* sum, void* stream);

// y = x for `length` floats, through a ring of three stages of copy_async of kBytes each; what lies beyond `length` is
// filled with zeros and written too, up to the next multiple of copy_granule(). length: a multiple of kBytes / 4.
template <int kBytes>
void copy_through_stages(const float* x, float* y, std::size_t length, void* stream);
template <int kBytes>
constexpr std::size_t copy_granule() {
  return 64 * kBytes / sizeof(float);
}

// y = x by packs of N; length a multiple of N.
template <class T, int N>
void copy_packs(const T* x, T* y, std::size_t length, void* stream);

// counts[v] += 1, highest = max and first_seen[v] = the lowest index + 1, over the values v = x[i] in [0, 16).
void count_values(const int* x, unsigned length, unsigned long long* counts, float* float_counts, int* highest,
                  unsigned* first_seen, void* stream);

// One instruction of a warp on registers given for each lane: a [32][4], b [32][2], c and d [32][4].
void multiply_bf16(const unsigned* a, const unsigned* b, const float* c, float* d, void* stream);
void multiply_tf32(const unsigned* a, const unsigned* b, const float* c, float* d, void* stream);

// rows: [8 * matrices][8] 16-bit elements; r: [32][matrices]; matrices: 2 or 4. Row i of matrix m is row 8 * m + i.
void load_matrices(const std::uint16_t* rows, unsigned* r, int matrices, bool transposed, void* stream);

// bf16 = to_bfloat16(x), and so on, each by the device.
struct NumberReport {
  unsigned bfloat16, float16, tf32, packed;
  float from_bfloat16, from_float16, exp2, log2, rsqrt, larger, smaller;
  int popcount, leading_zeros, find_first;
};
void report_numbers(const float* x, NumberReport* reports, unsigned length, void* stream);

}  // namespace bsg::test
