#include <algorithm>

#include "kernels/common/parallel_for.hpp"
#include "kernels/concat/concat.hpp"

namespace bsg::kernels::cpu {

template <class T>
void copy_columns(const Launch& launch, std::int64_t rows, std::int64_t columns, const T* from,
                  std::int64_t from_stride, T* to, std::int64_t to_stride, bool accumulate) {
  parallel_for(launch, rows, rows * columns, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const T* source = from + r * from_stride;
      T* target = to + r * to_stride;
      if (accumulate) {
        for (std::int64_t c = 0; c < columns; ++c) target[c] += source[c];
      } else {
        std::copy(source, source + columns, target);
      }
    }
  });
}

template void copy_columns<float>(const Launch&, std::int64_t, std::int64_t, const float*, std::int64_t, float*,
                                  std::int64_t, bool);
template void copy_columns<double>(const Launch&, std::int64_t, std::int64_t, const double*, std::int64_t, double*,
                                   std::int64_t, bool);

}  // namespace bsg::kernels::cpu
