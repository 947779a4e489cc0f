// Convolutions in tf32 (mma.m16n8k8).
#include "kernels/conv2d/conv2d_gather.hpp"
#include "kernels/conv2d/conv2d_weight_matrix.hpp"

namespace bsg::kernels::device {

template void forward_by_matrices<float>(const Launch&, const Conv2dShape&, const float*, const float*, const float*,
                                         const float*, float*);
template void backward_input_by_matrices<float>(const Launch&, const Conv2dShape&, const float*, const float*, float*,
                                                bool);
template void backward_weight_by_matrices<float>(const Launch&, const Conv2dShape&, const float*, const float*,
                                                 std::int64_t, float*);

}  // namespace bsg::kernels::device
