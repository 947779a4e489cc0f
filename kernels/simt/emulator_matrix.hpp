// matrix.hpp for the emulator.
#pragma once

#include "kernels/simt/emulator/matrix.hpp"
#include "kernels/simt/matrix.hpp"

namespace bsg::simt {

inline void mma_m16n8k16_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], const float (&c)[4],
                              Where where) {
  emulator::multiply_bf16(d, a, b, c, where);
}

inline void mma_m16n8k8_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], const float (&c)[4],
                             Where where) {
  emulator::multiply_tf32(d, a, b, c, where);
}

inline void load_matrix_x4(unsigned (&r)[4], const void* row, Where where) {
  emulator::load_matrices(r, 4, false, row, where);
}
inline void load_matrix_x2(unsigned (&r)[2], const void* row, Where where) {
  emulator::load_matrices(r, 2, false, row, where);
}
inline void load_matrix_x4_transposed(unsigned (&r)[4], const void* row, Where where) {
  emulator::load_matrices(r, 4, true, row, where);
}
inline void load_matrix_x2_transposed(unsigned (&r)[2], const void* row, Where where) {
  emulator::load_matrices(r, 2, true, row, where);
}

}  // namespace bsg::simt
