// Convolutions in bf16 (mma.m16n8k16).
#include "kernels/conv2d/conv2d_gather.hpp"
#include "kernels/conv2d/conv2d_weight_matrix.hpp"

namespace bsg::kernels::device {

template void forward_by_matrices<simt::bfloat16>(const Launch&, const Conv2dShape&, const simt::bfloat16*,
                                                  const simt::bfloat16*, const float*, const float*, simt::bfloat16*);
template void backward_input_by_matrices<simt::bfloat16>(const Launch&, const Conv2dShape&, const simt::bfloat16*,
                                                         const simt::bfloat16*, simt::bfloat16*, bool);
template void backward_weight_by_matrices<simt::bfloat16>(const Launch&, const Conv2dShape&, const simt::bfloat16*,
                                                          const simt::bfloat16*, std::int64_t, float*);

}  // namespace bsg::kernels::device
