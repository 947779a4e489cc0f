// Products of small matrices by a whole warp, and the loads that bring their operands from shared storage into the
// layout that the products want. Device functions; all 32 lanes call them.
//
// Layouts, from the PTX ISA ("Matrix Fragments for mma.m16n8k16 with floating point type", "... mma.m16n8k8", and
// "ldmatrix"), with g = lane / 4 and t = lane % 4. Matrices are [row][column]: A is 16 x K, B is K x 8, C and D are
// 16 x 8.
#pragma once

#include "kernels/simt/language.hpp"

namespace bsg::simt {

// d = a * b + c, K = 16, bf16 operands, sums in float. Two elements a register, the lower column (A) or row (B) in the
// lower half:
//   a[0]: A[g][2t, 2t+1]   a[1]: A[g+8][2t, 2t+1]   a[2]: A[g][2t+8, 2t+9]   a[3]: A[g+8][2t+8, 2t+9]
//   b[0]: B[2t, 2t+1][g]   b[1]: B[2t+8, 2t+9][g]
//   c[0], c[1]: C[g][2t], C[g][2t+1]   c[2], c[3]: C[g+8][2t], C[g+8][2t+1]; d likewise
// d and c may be the same array.
__device__ void mma_m16n8k16_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], const float (&c)[4],
                                  Where where = Where());

// d = a * b + c, K = 8, tf32 operands: the bits of floats, of which the lower 13 are ignored (to_tf32 rounds).
//   a[0]: A[g][t]   a[1]: A[g+8][t]   a[2]: A[g][t+4]   a[3]: A[g+8][t+4]
//   b[0]: B[t][g]   b[1]: B[t+4][g]
//   c and d as above.
__device__ void mma_m16n8k8_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], const float (&c)[4],
                                 Where where = Where());

// Loads four (two) matrices of 8 rows of 16 bytes. `row` is the address, in shared storage and a multiple of 16, of row
// lane % 8 of matrix lane / 8; for x2, the addresses of lanes 16 to 31 are not used. As 8 x 8 matrices M of 16-bit
// elements, r[i] of a lane is M_i[g][2t, 2t+1], or transposed, M_i[2t, 2t+1][g]. As rows of four 32-bit elements, r[i]
// is element t of row g: the operand of a tf32 product.
__device__ void load_matrix_x4(unsigned (&r)[4], const void* row, Where where = Where());
__device__ void load_matrix_x2(unsigned (&r)[2], const void* row, Where where = Where());
__device__ void load_matrix_x4_transposed(unsigned (&r)[4], const void* row, Where where = Where());
__device__ void load_matrix_x2_transposed(unsigned (&r)[2], const void* row, Where where = Where());

}  // namespace bsg::simt

#if defined(__CUDACC__)
#include "kernels/simt/nvcc_matrix.hpp"
#else
#include "kernels/simt/emulator_matrix.hpp"
#endif
