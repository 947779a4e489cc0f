// Bilinear interpolation of one sample's planes between the layers of an inference plan: rows may lie apart.
#pragma once

#include <cstdint>
#include <vector>

namespace bsg::kernels::cpu {

// Coordinates and rules are those of resize.hpp without align_corners, computed once; interpolated in float.
class BilinearPlanes {
 public:
  // All extents at least 1.
  BilinearPlanes(std::int64_t height, std::int64_t width, std::int64_t out_height, std::int64_t out_width);

  std::int64_t out_height() const { return static_cast<std::int64_t>(rows_.size()); }
  std::int64_t out_width() const { return static_cast<std::int64_t>(columns_.size()); }

  // One plane: y[i * y_row + j] from x[h * x_row + w]. scratch: `width` elements.
  void resize(const float* x, std::int64_t x_row, float* y, std::int64_t y_row, float* scratch) const;

 private:
  // (1 - weight) * x[low] + weight * x[high]. high == low where the weight is zero.
  struct Between {
    std::int64_t low, high;
    float weight;
  };
  static std::vector<Between> axis(std::int64_t in, std::int64_t out);

  std::int64_t width_;
  bool same_;  // size: a copy
  std::vector<Between> rows_, columns_;
};

}  // namespace bsg::kernels::cpu
