#include "engine/core/shape.hpp"

#include <fmt/format.h>

#include "engine/core/error.hpp"

namespace bsg {

Shape::Shape(std::span<const std::int64_t> extents) {
  if (extents.size() > kMaxRank)
    throw_error<ShapeError>("shape: {} extents, at most {} are supported", extents.size(), kMaxRank);
  std::int64_t product = 1;
  for (const std::int64_t extent : extents) {
    if (extent < 0) throw_error<ShapeError>("shape: extent {} is negative", extent);
    if (__builtin_mul_overflow(product, extent, &product) || product > (std::int64_t{1} << 62))
      throw_error<ShapeError>("shape: the number of elements does not fit");
    extents_[static_cast<std::size_t>(rank_++)] = extent;
  }
}

std::int64_t Shape::numel() const {
  std::int64_t product = 1;
  for (int i = 0; i < rank_; ++i) product *= extents_[static_cast<std::size_t>(i)];
  return product;
}

std::string Shape::str() const { return fmt::format("[{}]", fmt::join(extents(), ", ")); }

}  // namespace bsg
