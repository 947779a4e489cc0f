// The warp's matrix instructions, on the registers of all lanes. Shapes and layouts: kernels/simt/matrix.hpp.
#pragma once

#include "kernels/simt/language.hpp"

namespace bsg::simt::emulator {

// a[4], b[2], c[4] and d[4] of the calling lane. Products are exact in float; they are added to c one after another,
// with k ascending. A tensor core adds several at once and rounds otherwise.
void multiply_bf16(float* d, const unsigned* a, const unsigned* b, const float* c, Where where);
void multiply_tf32(float* d, const unsigned* a, const unsigned* b, const float* c, Where where);

// count: 2 or 4 matrices. The calling lane reads its row when it arrives, before the lanes have met: a row that another
// lane has just written is not there without a barrier between.
void load_matrices(unsigned* r, unsigned count, bool transposed, const void* row, Where where);

}  // namespace bsg::simt::emulator
