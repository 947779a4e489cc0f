// Conversions between layouts and between types on the device. From and To: float or simt::bfloat16.
#pragma once

#include <cstdint>

#include "kernels/common/launch.hpp"

namespace bsg::kernels::device {

// to = from, rounded to nearest even. In place only for one type.
template <class From, class To>
void convert(const Launch& launch, std::int64_t count, const From* from, To* to);

// to[b, c, r] = from[b, r, c] for [batch, rows, columns]: channels first to channels last with rows = channels, columns
// = pixels, and back with rows = pixels, columns = channels. Not in place.
template <class From, class To>
void transpose(const Launch& launch, std::int64_t batch, std::int64_t rows, std::int64_t columns, const From* from,
               To* to);

}  // namespace bsg::kernels::device
