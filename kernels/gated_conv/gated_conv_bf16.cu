// Gated convolution in bf16 (mma.m16n8k16).
// May spill 16 bytes: on sm_80, with both sides gated; sm_90a spills none (NOTES.md)
#include "kernels/gated_conv/gated_conv_mma.hpp"

namespace bsg::kernels::device {

void launch_gated_conv_bf16(const ConvLaunch& launch, const ConvParameters& p) {
  launch_gated_conv_mma<simt::bfloat16>(launch, p);
}

}  // namespace bsg::kernels::device
