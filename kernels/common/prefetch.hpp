// Asking for memory before it is needed. A processor follows a stream of reads by itself, but only to the end of a
// page, which is about what one channel of one sample takes.
#pragma once

#include <cstdint>

namespace bsg::kernels {

// Asks for the cache lines of a run of elements.
template <class T>
inline void prefetch(const T* from, std::int64_t count) {
  constexpr std::int64_t kLine = 64 / sizeof(T);
  for (std::int64_t i = 0; i < count; i += kLine) __builtin_prefetch(from + i);
}

}  // namespace bsg::kernels
