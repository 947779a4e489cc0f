// Fully connected layers on the device, float, row-major, with the shapes and rules of linear.hpp. The project's are
// small (a classifier of 64 x 10, gates of C x 16): one tiled kernel on FMAs for all three products; large ones are the
// vendor library's. Every sum is taken in order by one thread: the same bits in every run.
#pragma once

#include "kernels/linear/linear.hpp"

namespace bsg::kernels::device {

// bias may be null.
void linear(const Launch& launch, const LinearShape& shape, const float* x, const float* weight, const float* bias,
            float* y);

// accumulate: added to what is there.
void linear_backward_input(const Launch& launch, const LinearShape& shape, const float* weight, const float* dy,
                           float* dx, bool accumulate);
void linear_backward_weight(const Launch& launch, const LinearShape& shape, const float* x, const float* dy,
                            float* dweight, bool accumulate);
void linear_backward_bias(const Launch& launch, const LinearShape& shape, const float* dy, float* dbias,
                          bool accumulate);

}  // namespace bsg::kernels::device
