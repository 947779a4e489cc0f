// Which of the channels is the largest, for every pixel: what a network takes it for. Of equal ones the first. NaN is
// larger than every number, as PyTorch has it.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/common/launch.hpp"
#include "kernels/simt/language.hpp"

namespace bsg::kernels {

struct ArgmaxShape {
  std::int64_t samples = 0, channels = 0, pixels = 0;  // channels >= 1
};

// Whether a later channel takes the place of the largest so far.
template <class T>
__host__ __device__ inline bool exceeds(T value, T largest) {
  return value > largest || (value != value && largest == largest);
}

namespace cpu {

// x [samples, channels, pixels] -> y [samples, pixels].
template <class T>
void argmax_channels(const Launch& launch, const ArgmaxShape& shape, const T* x, std::int32_t* y);

}  // namespace cpu
}  // namespace bsg::kernels
