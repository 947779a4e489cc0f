// Copies between row-major matrices of different widths on the device. Channels last, a concatenation along channels is
// such a copy: a row for every pixel of every sample. T: float or simt::bfloat16.
#pragma once

#include <cstdint>

#include "kernels/common/launch.hpp"

namespace bsg::kernels::device {

// to[r * to_stride + c] = from[r * from_stride + c] for r in [0, rows), c in [0, columns). accumulate: added.
template <class T>
void copy_columns(const Launch& launch, std::int64_t rows, std::int64_t columns, const T* from,
                  std::int64_t from_stride, T* to, std::int64_t to_stride, bool accumulate);

}  // namespace bsg::kernels::device
