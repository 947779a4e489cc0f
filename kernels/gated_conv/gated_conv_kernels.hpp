// Internal to this family: the kernels of its .cu files, one a compute type, as gated_conv starts them.
#pragma once

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

}  // namespace bsg::kernels::device
