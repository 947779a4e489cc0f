// Gated convolution in tf32 (mma.m16n8k8).
#include "kernels/gated_conv/gated_conv_mma.hpp"

namespace bsg::kernels::device {

void launch_gated_conv_tf32(const ConvLaunch& launch, const ConvParameters& p) {
  launch_gated_conv_mma<float>(launch, p);
}

}  // namespace bsg::kernels::device
