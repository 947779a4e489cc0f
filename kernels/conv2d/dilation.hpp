// A convolution of dilation d as d * d convolutions without dilation: pixels whose coordinates are equal modulo d form
// a plane of their own, and every tap of such a pixel lies in the same plane. The batch becomes d * d times as large,
// its planes as much smaller, so that Winograd's transforms serve dilated kernels too; two copies are a small part of
// what that saves (NOTES.md). Internal to this family: conv2d.hpp's functions decide by the shape.
#pragma once

#include "kernels/conv2d/conv2d.hpp"

namespace bsg::kernels::cpu {

// Whether the convolution is computed so: strides of 1, a padding that is a multiple of the dilation, and what is left
// goes by Winograd's transforms.
bool splits_by_dilation(const Conv2dShape& shape);

// As conv2d_workspace, for shapes that split.
std::int64_t dilation_workspace(const Conv2dShape& shape, int threads);

// As the functions of conv2d.hpp, for shapes that split.
template <class T>
void dilated_forward(const Launch& launch, const Conv2dShape& shape, const T* x, const T* weight, const T* bias,
                     const T* input_gate, const T* output_gate, T* y, T* workspace);
template <class T>
void dilated_backward_input(const Launch& launch, const Conv2dShape& shape, const T* weight, const T* dy,
                            const T* output_gate, T* dx, bool accumulate, T* workspace);
template <class T>
void dilated_backward_weight(const Launch& launch, const Conv2dShape& shape, const T* x, const T* dy,
                             const T* input_gate, const T* output_gate, T* dweight, bool accumulate, T* workspace);

}  // namespace bsg::kernels::cpu
