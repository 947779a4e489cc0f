#pragma once

#include <cstddef>

namespace bsg::kernels::cpu {

// Floats in a vector of the instruction set that gated_conv runs on: at most PlaneLayout::kSlack.
std::size_t vector_lanes();

}  // namespace bsg::kernels::cpu
