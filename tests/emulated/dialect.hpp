// Kernels that use every function of the dialect once: both compilers compile them, and dialect_test.cpp runs them.
#pragma once

#include <cstddef>

namespace bsg::test {

// y = x reversed within each block's 256 elements; length a multiple of 256.
void reverse_blocks(const float* x, float* y, std::size_t length, void* stream);

}  // namespace bsg::test
