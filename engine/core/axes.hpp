// Channels first to channels last and back, on the host.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace bsg {

// to [count, columns, rows] = from [count, rows, columns] with the last two axes exchanged.
inline void exchange_axes(std::size_t element, std::int64_t count, std::int64_t rows, std::int64_t columns,
                          const void* from, void* to) {
  const auto* source = static_cast<const std::byte*>(from);
  auto* target = static_cast<std::byte*>(to);
  for (std::int64_t n = 0; n < count; ++n)
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < columns; ++j)
        std::memcpy(target + static_cast<std::size_t>((n * columns + j) * rows + i) * element,
                    source + static_cast<std::size_t>((n * rows + i) * columns + j) * element, element);
}

}  // namespace bsg
