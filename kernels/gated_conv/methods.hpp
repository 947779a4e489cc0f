// Internal to this family: what the methods' files give to its contract.
#pragma once

#include <cstddef>

#include "kernels/gated_conv/gated_conv.hpp"

namespace bsg::kernels::cpu {

// Floats in a vector of the instruction set that the kernels run on: at most PlaneLayout::kSlack.
std::size_t vector_lanes();

void direct_conv(const GatedConv& arguments);
void winograd_conv(const GatedConv& arguments);

}  // namespace bsg::kernels::cpu
