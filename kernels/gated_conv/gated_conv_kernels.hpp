// Internal to this family: the kernels of its .cu files, one a compute type, as gated_conv starts them.
#pragma once

#include <type_traits>

#include "kernels/gated_conv/gated_conv_block.hpp"

namespace bsg::kernels::device {

// What a launch needs beside the parameters.
struct ConvLaunch {
  GatedSides sides;
  unsigned blocks, threads;
  std::size_t tail_bytes;
  void* stream;
};

void launch_gated_conv_fp32(const ConvLaunch& launch, const ConvParameters& parameters);
void launch_gated_conv_tf32(const ConvLaunch& launch, const ConvParameters& parameters);
void launch_gated_conv_bf16(const ConvLaunch& launch, const ConvParameters& parameters);

// Calls start with std::integral_constant<GatedSides, ...>: no gate is the case of complete outputs.
template <class Start>
void with_sides(GatedSides sides, const Start& start) {
  switch (sides) {
    case GatedSides::none:
    case GatedSides::outputs:
      return start(std::integral_constant<GatedSides, GatedSides::outputs>{});
    case GatedSides::inputs:
      return start(std::integral_constant<GatedSides, GatedSides::inputs>{});
    case GatedSides::both:
      return start(std::integral_constant<GatedSides, GatedSides::both>{});
  }
}

}  // namespace bsg::kernels::device
